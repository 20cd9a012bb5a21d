import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// What the processor uses at the start must lie in memory that the map reserves.
  @Suite("Memory in use at the start") struct MemoryInUseTests {
    let machine = LoadedMachine()
    private let registers = simulated_registers_of(0)
    /// A page of usable memory, and one of the kernel image.
    private static let usable = LoadedMachine.directMap + 0x30_0000
    private static let image = LoadedMachine.directMap + LoadedMachine.image.lowerBound

    @Test func `code, stack and GDT in usable memory are an error each`() {
      let sound = registers.pointee
      registers.pointee.instruction_pointer = Self.usable
      #expect(machine.start() == TESSERA_ERROR_IMAGE_IN_USABLE_MEMORY)
      registers.pointee = sound
      registers.pointee.stack_pointer = Self.usable + 4096
      #expect(machine.start() == TESSERA_ERROR_STACK_IN_USABLE_MEMORY)
      // The stack grows down from the first page of usable memory behind the image.
      registers.pointee.stack_pointer = LoadedMachine.directMap + LoadedMachine.image.upperBound + 8
      #expect(machine.start() == TESSERA_ERROR_STACK_IN_USABLE_MEMORY)
      registers.pointee = sound
      registers.pointee.segments.base = Self.usable
      #expect(machine.start() == TESSERA_ERROR_GDT_IN_USABLE_MEMORY)
      // The last descriptor is on the page after the image.
      registers.pointee.segments.base =
        LoadedMachine.directMap + LoadedMachine.image.upperBound - 0x30
      #expect(machine.start() == TESSERA_ERROR_GDT_IN_USABLE_MEMORY)
      registers.pointee = sound
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `an IDT in usable memory is an error if it has a page-fault gate`() {
      registers.pointee.interrupts = hw_descriptor_table(base: Self.usable, limit: 0xfff)
      machine.setEntry(0x0000_8e00_0008_0000, at: 28, of: 0x30_0000)
      #expect(machine.start() == TESSERA_ERROR_IDT_IN_USABLE_MEMORY)
      machine.setEntry(0, at: 28, of: 0x30_0000)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `a TSS in usable memory is an error`() {
      registers.pointee.segments = hw_descriptor_table(base: Self.image, limit: 0x37)
      registers.pointee.task_selector = 0x28
      func place(_ address: UInt64) {
        let low = (address & 0xff_ffff) << 16 | (address >> 24 & 0xff) << 56 | 0x89 << 40 | 103
        machine.setEntry(low, at: 5, of: LoadedMachine.image.lowerBound)
        machine.setEntry(address >> 32, at: 6, of: LoadedMachine.image.lowerBound)
      }
      place(Self.usable)
      #expect(machine.start() == TESSERA_ERROR_TSS_IN_USABLE_MEMORY)
      place(Self.image + 0x1000)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `code, stack and GDT in the image or in low memory start`() {
      registers.pointee.instruction_pointer = Self.image
      registers.pointee.stack_pointer = LoadedMachine.directMap + LoadedMachine.image.upperBound
      registers.pointee.segments.base = LoadedMachine.directMap + 0x1000
      #expect(machine.start() == TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test(arguments: LoadedMachine.tables)
    func `a page table in usable memory is an error, also if it is copied`(table: UInt64) {
      let others = LoadedMachine.tables.filter { $0 != table }.map {
        tessera_region(start: $0, length: 0x1000, kind: UInt32(TESSERA_LOADER), reserved: 0)
      }
      let regions = [LoadedMachine.regions[0]] + others
      #expect(machine.start(regions) == TESSERA_ERROR_PAGE_TABLE_IN_USABLE_MEMORY)
      #expect(
        machine.start(regions) { $0.kernel_half = UInt32(TESSERA_COPY) }
          == TESSERA_ERROR_PAGE_TABLE_IN_USABLE_MEMORY)
      // A table that is left behind may be overwritten.
      machine.setEntry(0x3 | 0x30_0000, at: 200, of: LoadedMachine.tables[0])
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `page tables in low memory are reserved`() {
      let low: UInt64 = 0x5_0000
      for index in 0..<512 {
        machine.setEntry(
          machine.entry(at: index, of: LoadedMachine.tables[2]), at: index, of: low)
      }
      machine.setEntry(0x3 | low, at: 1, of: LoadedMachine.tables[1])
      #expect(machine.start() == TESSERA_OK)
      expect(tessera_claim(low), TESSERA_ERROR_NOT_CLIENT)
      expect(tessera_claim(low + 0x1000), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a page table whose frame a client has is a violation`() {
      #expect(machine.start() == TESSERA_OK)
      var frame = tessera_frame()
      expect(tessera_allocate(&frame), TESSERA_OK)
      machine.setEntry(0x3 | frame, at: 9, of: LoadedMachine.tables[1])
      #expect(
        machine.violations.contains("page table of the kernel half lies in a client's frame"))
      machine.setEntry(0, at: 9, of: LoadedMachine.tables[1])
      expect(tessera_drop(frame), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a page table whose frame becomes free is a violation`() {
      #expect(machine.start() == TESSERA_OK)
      expect(tessera_add_memory(LoadedMachine.image.lowerBound, 0x1000), TESSERA_OK)
      let entry = machine.entry(at: 1, of: LoadedMachine.tables[1])
      machine.setEntry(0x3 | LoadedMachine.image.lowerBound, at: 9, of: LoadedMachine.tables[1])
      #expect(machine.violations.contains("page table of the kernel half lies in a free frame"))
      machine.setEntry(0x7 | entry, at: 9, of: LoadedMachine.tables[1])
      #expect(
        machine.violations.contains("entry of the kernel half leaves access to user programs"))
      machine.setEntry(0, at: 9, of: LoadedMachine.tables[1])
      #expect(machine.violations == "")
    }
  }
}
