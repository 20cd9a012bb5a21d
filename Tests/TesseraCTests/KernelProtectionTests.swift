import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// The flags of the start that take rights away from the kernel's pages.
  @Suite("Kernel protection") struct KernelProtectionTests {
    let kernel = KernelHalfMachine()
    private let registers = simulated_registers_of(0)
    private typealias Machine = KernelHalfMachine
    private static let base = Machine.base

    private func reason() -> String { String(cString: tessera_start_error(nil)) }

    /// The start fails with `result`, changes nothing, and succeeds without `change`.
    private func rejects(
      _ result: Int, _ flags: Int = TESSERA_NO_OTHER_EXECUTION,
      sourceLocation: SourceLocation = #_sourceLocation,
      _ change: (inout tessera_config) -> Void = { _ in }
    ) {
      let before = kernel.words
      #expect(
        kernel.start(flags, TESSERA_ADOPT, change) == result, sourceLocation: sourceLocation)
      #expect(kernel.words == before, sourceLocation: sourceLocation)
      #expect(!Boot.isStarted, sourceLocation: sourceLocation)
    }

    @Test func `without flags, rights stay as the loader made them`() {
      #expect(kernel.start(0) == TESSERA_OK)
      for address in [Self.base, Self.base + 0x1000, Machine.directMap, 0] as [UInt64] {
        #expect(kernel.rights(at: address) == Rights.all)
      }
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `only code is executable, and neither code nor constants are writable`(half: Int) {
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION, half) == TESSERA_OK)
      for page in 0..<512 as Range<UInt64> {
        let expected = page == 0 ? Rights.execute : page == 1 ? Rights.read : Rights.write
        #expect(kernel.rights(at: Self.base + page << 12) == expected)
      }
      for page in 0..<2048 as Range<UInt64> {
        let isReadOnly = (512..<514).contains(page)
        #expect(
          kernel.rights(at: Machine.directMap + page << 12)
            == (isReadOnly ? Rights.read : Rights.write))
      }
      #expect(kernel.rights(at: 0) == Rights.write)
      #expect(kernel.rights(at: 0x1f_f000) == Rights.write)
      #expect(kernel.machine.violations == "")
    }

    @Test func `code of several large pages stays in large pages`() {
      kernel.machine.setEntry(0x40_0083, at: 1, of: Machine.directory)
      let isStarted =
        kernel.start(TESSERA_NO_OTHER_EXECUTION) {
          $0.image_end = 0x60_0000
          $0.text_start = Self.base
          $0.text_end = Self.base + 0x20_0000
          $0.rodata_start = Self.base + 0x20_0000
          $0.rodata_end = Self.base + 0x20_1000
        }
      // The stack is in the code.
      #expect(isStarted == TESSERA_ERROR_RIGHTS_IN_USE)
      registers.pointee.stack_pointer = Self.base + 0x20_3000
      #expect(
        kernel.start(TESSERA_NO_OTHER_EXECUTION) {
          $0.image_end = 0x60_0000
          $0.text_end = Self.base + 0x20_0000
          $0.rodata_start = Self.base + 0x20_0000
          $0.rodata_end = Self.base + 0x20_1000
        } == TESSERA_OK)
      let code = kernel.machine.entry(at: 0, of: Machine.directory)
      #expect(code & 0x83 == 0x81 && code >> 63 == 0)
      let alias = kernel.machine.entry(at: 1, of: LoadedMachine.tables[2])
      #expect(alias & 0x83 == 0x81 && alias >> 63 == 1)
      #expect(kernel.rights(at: Self.base + 0x20_0000) == Rights.read)
      #expect(kernel.rights(at: Self.base + 0x20_1000) == Rights.write)
      #expect(kernel.machine.violations == "")
    }

    @Test func `code, gates, stack and GDT are checked, each with its sentence`() {
      let sound = registers.pointee
      registers.pointee.instruction_pointer = Self.base + 0x1000
      rejects(TESSERA_ERROR_CODE_NOT_EXECUTABLE)
      #expect(reason() == "the running code is outside of the code that stays executable")
      registers.pointee = sound
      // The page of the stack is that of the constants.
      registers.pointee.stack_pointer = Self.base + 0x2000
      rejects(TESSERA_ERROR_RIGHTS_IN_USE)
      #expect(reason() == "the stack lies in the memory of the kernel's code or constants")
      // Through the direct map, too.
      registers.pointee.stack_pointer = Machine.directMap + Machine.memory + 0x1000
      rejects(TESSERA_ERROR_RIGHTS_IN_USE)
      registers.pointee = sound
      let table = Machine.memory + 0x1000
      for (segment, isRejected) in [
        (0x00af_9a00_0000_ffff, true), (0x00af_9b00_0000_ffff, false),
        (0x0000_8900_0000_0067, true),
        (0x0000_8b00_0000_0067, false), (0x00af_1a00_0000_ffff, false),
      ] as [(UInt64, Bool)] {
        kernel.machine.setEntry(segment, at: 6, of: table)
        guard isRejected else { continue }
        rejects(TESSERA_ERROR_RIGHTS_IN_USE)
        #expect(reason().contains("GDT"))
      }
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION) == TESSERA_OK)
    }

    @Test func `a gate that leads out of the code is an error`() {
      let table = Machine.memory + 0x4000
      for index in 0..<512 { kernel.machine.setEntry(0, at: index, of: table) }
      registers.pointee.interrupts = hw_descriptor_table(base: Self.base + 0x4000, limit: 0xfff)
      func setGate(_ vector: Int, to handler: UInt64) {
        let low = handler & 0xffff | (handler >> 16 & 0xffff) << 48 | 0x8e00_0008_0000
        kernel.machine.setEntry(low, at: vector * 2, of: table)
        kernel.machine.setEntry(handler >> 32, at: vector * 2 + 1, of: table)
      }
      setGate(14, to: Self.base + 0xfff)
      for (vector, handler) in [
        (0, Self.base + 0x1000), (255, Self.base - 1), (13, Self.base & 0xffff_ffff),
      ] as [(Int, UInt64)] {
        setGate(vector, to: handler)
        rejects(TESSERA_ERROR_CODE_NOT_EXECUTABLE)
        #expect(reason() == "a gate of the IDT leads out of the code that stays executable")
        setGate(vector, to: Self.base)
      }
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION) == TESSERA_OK)
    }

    @Test func `code and constants have to be pages of the kernel half`() {
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) { $0.text_end = $0.text_start }
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) { $0.text_end = 0 }
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) { $0.text_end += 1 }
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) { $0.rodata_start -= 8 }
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) { $0.rodata_start = Self.base }
      rejects(TESSERA_ERROR_INVALID_ARGUMENT) {
        ($0.rodata_start, $0.rodata_end) = (1 << 40, 1 << 41)
      }
      // Not mapped, and not executable.
      rejects(TESSERA_ERROR_NOT_MAPPED) { $0.rodata_end = Self.base + 0x20_1000 }
      kernel.machine.setEntry(
        0x8000_0000_0000_0003 | Machine.pointers, at: 511, of: kernel.machine.root)
      rejects(TESSERA_ERROR_NOT_MAPPED)
      kernel.machine.setEntry(0x3 | Machine.pointers, at: 511, of: kernel.machine.root)
      // Usable memory.
      rejects(TESSERA_ERROR_IMAGE_IN_USABLE_MEMORY) { $0.rodata_end = Self.base + 0x9000 }
      #expect(
        kernel.start(TESSERA_NO_OTHER_EXECUTION) { ($0.rodata_start, $0.rodata_end) = (0, 0) }
          == TESSERA_OK)
      #expect(kernel.rights(at: Self.base + 0x1000) == Rights.write)
    }

    @Test func `code that is not contiguous in memory is an error`() {
      kernel.machine.setEntry(0x60_0083, at: 1, of: Machine.directory)
      registers.pointee.stack_pointer = Machine.directMap + 0x20_5000
      rejects(TESSERA_ERROR_NOT_MAPPED) {
        $0.image_end = 0x80_0000
        $0.text_end = Self.base + 0x20_1000
        ($0.rodata_start, $0.rodata_end) = (0, 0)
      }
      var number: UInt64 = 0
      _ = tessera_start_error(&number)
      #expect(number == Self.base + 0x20_0000)
    }

    @Test func `a table that maps code at two addresses is an error unless it is copied`() {
      // The kernel's page is the first page of an adopted mapping, too.
      kernel.machine.setEntry(0x3 | Machine.pointers, at: 300, of: kernel.machine.root)
      rejects(TESSERA_ERROR_PAGE_TABLE_SHARED)
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION, TESSERA_COPY) == TESSERA_OK)
      #expect(kernel.rights(at: Self.base) == Rights.execute)
      #expect(kernel.rights(at: 0xffff_9600_0000_0000 + 510 << 30) == Rights.read)
      #expect(kernel.machine.violations == "")
    }

    @Test func `a page table in memory of the code is an error`() {
      let table = Machine.memory
      for index in 0..<512 { kernel.machine.setEntry(0, at: index, of: table) }
      kernel.machine.setEntry(0x3 | table, at: 300, of: kernel.machine.root)
      rejects(TESSERA_ERROR_RIGHTS_IN_USE)
      #expect(reason().contains("page table"))
      // It is left behind, and its copy is elsewhere.
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION, TESSERA_COPY) == TESSERA_OK)
      #expect(kernel.machine.violations == "")
    }

    @Test func `a table without a slot is an error`() {
      kernel.machine.setEntry(0x3 | 1 << 38, at: 300, of: kernel.machine.root)
      rejects(TESSERA_ERROR_NOT_IN_DIRECT_MAP)
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `a start that runs out of frames has changed nothing`(half: Int) {
      let flags = TESSERA_NO_OTHER_EXECUTION | TESSERA_NO_PAGE_ZERO
      let before = kernel.words
      var failed = 0
      while true {
        simulated_fail_allocation(UInt64(failed + 1))
        let status = kernel.start(flags, half)
        simulated_fail_allocation(0)
        if status == TESSERA_OK { break }
        #expect(status == TESSERA_ERROR_OUT_OF_FRAMES)
        #expect(kernel.words == before)
        failed += 1
      }
      // Root, table of the area; three large pages are split.
      #expect(failed >= 5)
      #expect(kernel.machine.violations == "")
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `page zero is unmapped, and what follows it is not`(half: Int) {
      #expect(kernel.start(TESSERA_NO_PAGE_ZERO, half) == TESSERA_OK)
      #expect(kernel.rights(at: 0) == nil)
      #expect(kernel.rights(at: 0xfff) == nil)
      #expect(kernel.rights(at: 0x1000) == Rights.all)
      #expect(kernel.rights(at: 0x1f_f000) == Rights.all)
      #expect(kernel.rights(at: Machine.directMap) == Rights.all)
      #expect(kernel.machine.violations == "")
    }

    @Test func `page zero stays if something uses it, or a table is shared`() {
      let sound = registers.pointee
      for (place, part) in [
        (\simulated_registers.instruction_pointer, "code"), (\.stack_pointer, "stack"),
        (\.segments.base, "GDT"),
      ] as [(WritableKeyPath<simulated_registers, UInt64>, String)] {
        registers.pointee[keyPath: place] = 0xff8
        rejects(TESSERA_ERROR_PAGE_ZERO_IN_USE, TESSERA_NO_PAGE_ZERO)
        #expect(reason().contains(part) && reason().contains("in the page at address zero"))
        registers.pointee = sound
      }
      kernel.machine.setEntry(0x3 | Machine.lowDirectory, at: 5, of: LoadedMachine.tables[1])
      rejects(TESSERA_ERROR_PAGE_TABLE_SHARED, TESSERA_NO_PAGE_ZERO)
      #expect(kernel.start(TESSERA_NO_PAGE_ZERO, TESSERA_COPY) == TESSERA_OK)
      #expect(kernel.rights(at: 0) == nil && kernel.rights(at: 5 << 30) == Rights.all)
    }

    @Test func `read-only memory cannot be given to the allocator`() {
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION) == TESSERA_OK)
      expect(tessera_add_memory(Machine.memory, 0x1000), TESSERA_ERROR_IN_USE)
      expect(tessera_add_memory(Machine.memory + 0x1000, 0x2000), TESSERA_ERROR_IN_USE)
      expect(tessera_add_memory(Machine.memory + 0x2000, 0x1000), TESSERA_OK)
      #expect(kernel.machine.violations == "")
    }

    @Test func `a further processor does not start on code that is not executable`() {
      #expect(kernel.start(TESSERA_NO_OTHER_EXECUTION) { $0.processor_count = 2 } == TESSERA_OK)
      let other = simulated_registers_of(1)
      other.pointee.instruction_pointer = Self.base + 0x1000
      let root = other.pointee.cr3
      asProcessor(1) { expect(tessera_start_processor(), TESSERA_ERROR_CODE_NOT_EXECUTABLE) }
      #expect(other.pointee.cr3 == root)
      other.pointee.instruction_pointer = Self.base
      asProcessor(1) { expect(tessera_start_processor(), TESSERA_OK) }
    }
  }
}
