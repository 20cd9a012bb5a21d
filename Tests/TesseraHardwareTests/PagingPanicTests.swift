import SimulatedMachine
import TesseraHardware
import Testing

@Suite("Panics of properties, levels and modes") struct PagingPanicTests {
  @Test func `making a user page global panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageProperty.userRead.with(isGlobal: true)
    }
    try expectPanic(in: result, "user page is global")
  }

  @Test func `making a global page a user page panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var property = PageProperty.kernelRead.with(isGlobal: true)
      property.isUser = true
    }
    try expectPanic(in: result, "user page is global")
  }

  @Test func `setting the software bits above 3 panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PageProperty.kernelRead.with(software: 4)
    }
    try expectPanic(in: result, "software bits of a page are above 3")
  }

  @Test func `a level above 5 panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingLevel(6)
    }
    try expectPanic(in: result, "page-table level is not 1 to 5")
  }

  @Test func `a level of zero panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingLevel(0)
    }
    try expectPanic(in: result, "page-table level is not 1 to 5")
  }

  @Test func `the level below the first panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingLevel.leafTable.below
    }
    try expectPanic(in: result, "level below page-table level 1")
  }

  @Test func `the level above the fifth panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingLevel(5).above
    }
    try expectPanic(in: result, "level above page-table level 5")
  }

  @Test func `a root at level 3 panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingMode(rootLevel: PagingLevel(3))
    }
    try expectPanic(in: result, "root of page tables is not at level 4 or 5")
  }

  @Test func `physical addresses of 53 bits panic`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingMode(physicalAddressWidth: 53)
    }
    try expectPanic(in: result, "width of physical addresses is not 32 to 52 bits")
  }

  @Test func `physical addresses of 31 bits panic`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = PagingMode(physicalAddressWidth: 31)
    }
    try expectPanic(in: result, "width of physical addresses is not 32 to 52 bits")
  }

  @Test func `a negative distance panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = VirtualAddress(0).byteCount(from: VirtualAddress(1))
    }
    try expectPanic(in: result, "virtual range ends before it starts")
  }
}
