import SimulatedMachine
import TesseraHardware
import TesseraPageTables
import Testing

@Suite("Panics of entries") struct EntryPanicTests {
  @Test func `a small page that is not aligned traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.leaf(
        at: PhysicalAddress(0x1800), property: .kernelRead, size: .fourKiB, ownsFrame: false)
    }
    try expectPanic(in: result, "memory to map is not aligned to the page size: 0x1800")
  }

  @Test func `a large page that is not aligned traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.leaf(
        at: PhysicalAddress(0x20_1000), property: .kernelRead, size: .twoMiB, ownsFrame: false)
    }
    try expectPanic(in: result, "memory to map is not aligned to the page size: 0x201000")
  }

  @Test func `a page beyond the processor's memory traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.leaf(
        at: PhysicalAddress(1 << 39), property: .kernelRead, size: .fourKiB, ownsFrame: false,
        mode: PagingMode(physicalAddressWidth: 39))
    }
    try expectPanic(
      in: result, "memory to map is beyond the physical address width: 0x8000000000")
  }

  @Test func `a page of 1 GiB on a processor without traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.leaf(
        at: PhysicalAddress(0), property: .kernelRead, size: .oneGiB, ownsFrame: false,
        mode: PagingMode(hasOneGiBPages: false))
    }
    try expectPanic(in: result, "the processor has no pages of 1 GiB")
  }

  @Test func `a table that is not aligned traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.table(at: PhysicalAddress(0x1008))
    }
    try expectPanic(in: result, "page table is not 4 KiB aligned: 0x1008")
  }

  @Test func `a table beyond the processor's memory traps`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageTableEntry.table(
        at: PhysicalAddress(1 << 36), mode: PagingMode(physicalAddressWidth: 36))
    }
    try expectPanic(
      in: result, "page table is beyond the physical address width: 0x1000000000")
  }
}
