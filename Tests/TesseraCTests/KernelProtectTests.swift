import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// `tessera_kernel_protect`: rights to pages that the kernel was loaded with.
  @Suite("Kernel pages in C") struct KernelProtectTests {
    let kernel = KernelHalfMachine()
    private let registers = simulated_registers_of(0)
    private typealias Machine = KernelHalfMachine
    private static let base = Machine.base
    /// A page of the kernel's image, with nothing that the processor uses.
    private static let data = base + 0x5000

    private func protect(_ start: UInt64, _ length: UInt64, _ flags: Int) -> tessera_result {
      tessera_kernel_protect(
        UnsafeRawPointer(bitPattern: UInt(start)), length, UInt32(flags))
    }

    private func demand(
      _ start: UInt64, _ length: UInt64, _ flags: Int, _ result: Int,
      sourceLocation: SourceLocation = #_sourceLocation
    ) {
      let before = kernel.words
      let free = kernel.machine.freeFrames
      expect(protect(start, length, flags), result, sourceLocation: sourceLocation)
      #expect(kernel.words == before, sourceLocation: sourceLocation)
      #expect(kernel.machine.freeFrames == free, sourceLocation: sourceLocation)
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `a page of a large page gets other rights, and the rest keeps its own`(half: Int) {
      #expect(kernel.start(0, half) == TESSERA_OK)
      let free = kernel.machine.freeFrames
      for rights in [
        TESSERA_READ, Rights.execute, Rights.write, TESSERA_NO_ACCESS,
        Rights.all | TESSERA_ALLOW_WX,
        TESSERA_READ,
      ] {
        let count = simulated_current_processor().pointee.page_invalidations
        expect(protect(Self.data, 0x2000, rights), TESSERA_OK)
        #expect(simulated_current_processor().pointee.page_invalidations == count + 2)
        for page in 0..<512 as Range<UInt64> {
          let found = kernel.rights(at: Self.base + page << 12)
          if !(5..<7).contains(page) {
            #expect(found == Rights.all)
          } else {
            #expect(found == (rights == 0 ? nil : rights & ~TESSERA_ALLOW_WX))
          }
        }
        // The same memory at another address.
        #expect(kernel.rights(at: Machine.directMap + Machine.memory + 0x5000) == Rights.all)
      }
      // One table, for all of them.
      #expect(kernel.machine.freeFrames == free - 1)
      #expect(kernel.machine.violations == "")
    }

    @Test func `a whole large page stays one, and is flushed at once`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let free = kernel.machine.freeFrames
      let count = simulated_current_processor().pointee.page_invalidations
      expect(protect(Self.base + 0, 0x20_0000, Rights.execute), TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(0, 0x20_0000, Rights.read), TESSERA_OK)
      #expect(kernel.machine.freeFrames == free)
      #expect(simulated_current_processor().pointee.page_invalidations == count + 1)
      #expect(kernel.rights(at: 0x1f_f000) == Rights.read)
      // Again: nothing changes, and nothing is flushed.
      expect(protect(0, 0x20_0000, Rights.read), TESSERA_OK)
      #expect(simulated_current_processor().pointee.page_invalidations == count + 1)
    }

    @Test func `the range has to be mapped pages of the kernel half`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let page: UInt64 = 4096
      demand(Self.data, 0, Rights.read, TESSERA_ERROR_EMPTY)
      demand(Self.data + 8, page, Rights.read, TESSERA_ERROR_NOT_ALIGNED)
      demand(Self.data, page + 8, Rights.read, TESSERA_ERROR_NOT_ALIGNED)
      demand(Self.data, page, TESSERA_WRITE, TESSERA_ERROR_INVALID_RIGHTS)
      demand(Self.data, page, Rights.all, TESSERA_ERROR_WRITE_AND_EXECUTE)
      demand(Self.data, page, TESSERA_READ | TESSERA_UNCACHEABLE, TESSERA_ERROR_INVALID_ARGUMENT)
      demand(0 &- page, page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(Self.data, 0 &- page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(1 << 39, page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(1 << 39 - page, 2 * page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(1 << 63, page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(0xffff_c000_0000_0000, page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(0xffff_bfff_ffff_f000, 2 * page, Rights.read, TESSERA_ERROR_OUT_OF_BOUNDS)
      demand(0xffff_bfff_ffff_f000, page, Rights.read, TESSERA_ERROR_NOT_MAPPED)
      demand(Self.base + 0x1f_f000, 2 * page, Rights.write, TESSERA_ERROR_NOT_MAPPED)
      demand(0xffff_8000_0000_0000, 1 << 40, Rights.read, TESSERA_ERROR_NOT_MAPPED)
    }

    @Test func `what this processor uses keeps the rights that it needs`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let page: UInt64 = 4096
      demand(Self.base, page, Rights.write, TESSERA_ERROR_RIGHTS_IN_USE)
      demand(Self.base + 0x1000, page, TESSERA_NO_ACCESS, TESSERA_ERROR_RIGHTS_IN_USE)
      demand(Self.base + 0x2000, page, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(Self.base, page, Rights.execute), TESSERA_OK)
      expect(protect(Self.base + 0x1000, page, Rights.read), TESSERA_OK)
      expect(protect(Self.base + 0x2000, page, Rights.write), TESSERA_OK)
      expect(protect(Self.base + 0x3000, page, Rights.read), TESSERA_OK)
      // A segment that would be marked as accessed.
      kernel.machine.setEntry(0x00cf_9200_0000_ffff, at: 2, of: Machine.memory + 0x1000)
      demand(Self.base + 0x1000, page, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(Self.base + 0x1000, page, Rights.write), TESSERA_OK)
    }

    @Test func `the handler of a gate stays executable`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let table = Machine.memory + 0x4000
      for index in 0..<512 { kernel.machine.setEntry(0, at: index, of: table) }
      registers.pointee.interrupts = hw_descriptor_table(base: Self.base + 0x4000, limit: 0xfff)
      let low = Self.data & 0xffff | (Self.data >> 16 & 0xffff) << 48 | 0x8e00_0008_0000
      kernel.machine.setEntry(low, at: 28, of: table)
      kernel.machine.setEntry(Self.data >> 32, at: 29, of: table)
      demand(Self.data, 0x1000, Rights.write, TESSERA_ERROR_RIGHTS_IN_USE)
      demand(Self.base + 0x4000, 0x1000, TESSERA_NO_ACCESS, TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(Self.data, 0x1000, Rights.execute), TESSERA_OK)
      expect(protect(Self.base + 0x6000, 0x1000, Rights.write), TESSERA_OK)
    }

    @Test func `memory that Tessera writes stays writable in the direct map`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let map = Machine.directMap
      // Usable memory, low memory, metadata or a free frame, page tables but the loader's root.
      for address in [0x30_0000, 0x5000, 0x10_4000] + Machine.tables.dropFirst() as [UInt64] {
        demand(map + address, 0x1000, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
        demand(map + address, 0x1000, TESSERA_NO_ACCESS, TESSERA_ERROR_RIGHTS_IN_USE)
        expect(protect(map + address, 0x1000, Rights.write), TESSERA_OK)
      }
      // The last page of a range, and a whole large page.
      demand(map + 0x20_7000, 0x2000, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
      demand(map + 0x40_0000, 0x20_0000, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(map + 0x20_4000, 0x4000, Rights.read), TESSERA_OK)
      // At other addresses it does not matter.
      expect(protect(0x5000, 0x1000, Rights.read), TESSERA_OK)
      expect(protect(0x13_0000, 0x1000, Rights.read), TESSERA_OK)
      expect(tessera_add_memory(Machine.memory + 0x4000, 0x1000), TESSERA_ERROR_IN_USE)
      #expect(kernel.machine.violations == "")
    }

    @Test func `an entry that the direct map shares counts as the direct map`() {
      kernel.machine.setEntry(0x3 | LoadedMachine.tables[2], at: 300, of: LoadedMachine.tables[1])
      #expect(kernel.start(0) == TESSERA_OK)
      demand(300 << 30 + 0x30_0000, 0x1000, Rights.read, TESSERA_ERROR_RIGHTS_IN_USE)
      expect(protect(300 << 30 + 0x20_5000, 0x1000, Rights.read), TESSERA_OK)
      #expect(kernel.rights(at: Machine.directMap + 0x20_5000) == Rights.read)
    }

    @Test func `a right that an entry above withholds is an error`() {
      kernel.machine.setEntry(
        0x8000_0000_0000_0001 | Machine.lowDirectory, at: 0, of: LoadedMachine.tables[1])
      #expect(kernel.start(0) == TESSERA_OK)
      demand(0x1000, 0x1000, Rights.write, TESSERA_ERROR_INVALID_RIGHTS)
      demand(0x1000, 0x1000, Rights.execute, TESSERA_ERROR_INVALID_RIGHTS)
      expect(protect(0x1000, 0x1000, Rights.read), TESSERA_OK)
    }

    @Test func `a change that runs out of frames has changed nothing`() {
      #expect(kernel.start(0) == TESSERA_OK)
      let before = kernel.words
      for failing in 1...2 {
        simulated_fail_allocation(UInt64(failing))
        expect(
          protect(0x1f_f000, 0x1000, Rights.read), failing == 1 ? TESSERA_ERROR_OUT_OF_FRAMES : 0)
        simulated_fail_allocation(0)
        if failing == 1 { #expect(kernel.words == before) }
      }
    }

    @Test func `pages of 1 GiB are split twice, and whole ones are not`() {
      kernel.machine.setEntry(0x83 | 1 << 30, at: 5, of: LoadedMachine.tables[1])
      kernel.machine.setEntry(0x83 | 2 << 30, at: 6, of: LoadedMachine.tables[1])
      #expect(kernel.start(0) == TESSERA_OK)
      let free = kernel.machine.freeFrames
      let start: UInt64 = 5 << 30
      expect(protect(start + 0x20_1000, 0x1000, Rights.read), TESSERA_OK)
      #expect(kernel.machine.freeFrames == free - 2)
      #expect(kernel.rights(at: start + 0x20_0000) == Rights.all)
      #expect(kernel.rights(at: start + 0x20_1000) == Rights.read)
      #expect(kernel.rights(at: start + 0x20_2000) == Rights.all)
      #expect(kernel.rights(at: start + 0x40_0000) == Rights.all)
      var target: UInt64 = 0
      expect(tessera_translate(tessera_kernel_space(), start + 0x40_1234, &target, nil), TESSERA_OK)
      #expect(target == 0x4040_1234)
      // From the middle of the first to the end of the second: two more tables at most.
      expect(protect(start + 0x3fe0_0000, 0x4020_0000, Rights.read), TESSERA_OK)
      #expect(kernel.machine.freeFrames == free - 2)
      #expect(kernel.rights(at: start + 0x3fdf_f000) == Rights.all)
      #expect(kernel.rights(at: start + 0x7fff_f000) == Rights.read)
      #expect(kernel.machine.violations == "")
    }

    @Test(arguments: [1, 3, 40] as [UInt64])
    func `the old rights are flushed from the TLBs of all processors`(pageCount: UInt64) {
      #expect(kernel.start(0) { $0.processor_count = 3 } == TESSERA_OK)
      for processor in 1...2 {
        asProcessor(processor) { expect(tessera_start_processor(), TESSERA_OK) }
      }
      let before = FlushStatistics.requestCount
      #expect(protect(Self.base + 0x4_0000, pageCount * 4096, TESSERA_READ) == TESSERA_OK)
      #expect(FlushStatistics.requestCount == before + 2)
      #expect(protect(Self.base + 0x4_0000, pageCount * 4096, TESSERA_READ) == TESSERA_OK)
      #expect(FlushStatistics.requestCount == before + 2, "no right has changed")
    }

    @Test func `Swift kernels are told the page`() {
      #expect(kernel.start(0) == TESSERA_OK)
      func error(_ start: UInt64, _ count: UInt64, _ access: PageAccess) -> TesseraError? {
        do throws(TesseraError) {
          try KernelSpace.protect(
            VirtualAddress(start)..<VirtualAddress(start + count), as: access)
          return nil
        } catch { return error }
      }
      #expect(error(Self.data, 0x1000, .read) == nil)
      #expect(error(Self.data, 0, .read) == .empty)
      #expect(error(Self.data + 1, 0x1000, .read) == .notAligned)
      #expect(error(1 << 40, 0x1000, .read) == .outOfBounds)
      #expect(
        error(Self.base + 0x1f_f000, 0x2000, .readWrite)
          == .notMapped(VirtualAddress(Self.base + 0x20_0000)))
      #expect(error(Self.base, 0x1000, .read) == .usedByProcessor(.code))
      #expect(
        error(Machine.directMap + 0x20_7000, 0x2000, .read)
          == .managedMemory(PhysicalAddress(0x20_8000)))
    }
  }
}
