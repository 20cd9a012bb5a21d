import TesseraBoot
import TesseraFrames
import TesseraHardware
import Testing

@Suite("Early allocator") struct EarlyAllocatorTests {
  private let machine = memoryMap(
    [
      region(0, 0x9fc00, .usable), region(0x10_0000, 0x800_0000, .usable),
      region(0x10_0000, 0x20_0000, .kernelImage), region(0x20_0000, 0x20_3000, .module),
      region(0x900_0000, 0xa00_0000, .usable), region(0x1_0000_0000, 0x1_4000_0000, .usable),
      region(0x2_0000_0000, 0x2_0100_0000, .usable),
    ], lowMemoryEnd: 0x10_0000)

  @Test func `it allocates from the starts of the largest regions below and above 4 GiB`() throws {
    var allocator = EarlyAllocator(machine)
    #expect(allocator.byteCountLeft == 0x800_0000 - 0x20_3000 + 0x4000_0000)
    #expect(try allocator.allocate(byteCount: 1).rawValue == 0x20_3000)
    #expect(try allocator.allocate(byteCount: 0x1000).rawValue == 0x20_4000)
    #expect(
      try allocator.allocate(byteCount: 0x1000, preferring: .mostRoom).rawValue == 0x1_0000_0000)
  }

  @Test func `all usable memory is allocated once, and nothing else`() throws {
    var allocator = EarlyAllocator(machine)
    var given: [Range<UInt64>] = []
    var size: UInt64 = 0x40_0000
    while size >= 0x100 {
      guard let start = try? allocator.allocate(byteCount: size, alignment: 0x100) else {
        size /= 2
        continue
      }
      given.append(start.rawValue..<start.rawValue + size)
    }
    #expect(allocator.byteCountLeft == 0)
    let usable = machine.all.filter { $0.kind == .usable }
    for range in given {
      #expect(
        usable.contains {
          $0.start.rawValue <= range.lowerBound && range.upperBound <= $0.end.rawValue
        })
    }
    let sorted = given.sorted { $0.lowerBound < $1.lowerBound }
    #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
  }

  @Test func `a limit is exact to the byte`() throws {
    var allocator = EarlyAllocator(machine)
    let limit = PhysicalAddress(0x20_4000)
    #expect(throws: TesseraError.outOfFrames) {
      _ = try allocator.allocate(byteCount: 0x1001, below: limit)
    }
    #expect(try allocator.allocate(byteCount: 0x1000, below: limit).rawValue == 0x20_3000)
    #expect(throws: TesseraError.outOfFrames) {
      _ = try allocator.allocate(byteCount: 1, alignment: 1, below: limit)
    }
    let reachable = try allocator.allocate(
      byteCount: 0x1000, below: PhysicalAddress(0x1000_0000), preferring: .mostRoom)
    #expect(reachable.rawValue == 0x20_4000)
  }

  @Test func `an allocation is aligned, and the padding counts as used`() throws {
    var allocator = EarlyAllocator(machine)
    #expect(try allocator.allocate(byteCount: 5, alignment: 0x20_0000).rawValue == 0x40_0000)
    #expect(try allocator.allocate(byteCount: 5, alignment: 64).rawValue == 0x40_0040)
    let used = allocator.retire()
    #expect(used.all == [region(0x20_3000, 0x40_1000, .metadata)])
  }

  @Test func `a failed request changes nothing`() {
    var allocator = EarlyAllocator(machine)
    let before = allocator.byteCountLeft
    for count: UInt64 in [0x4000_0001, 1 << 52, UInt64.max] {
      #expect(throws: TesseraError.outOfFrames) { _ = try allocator.allocate(byteCount: count) }
    }
    #expect(throws: TesseraError.outOfFrames) {
      _ = try allocator.allocate(byteCount: 1, alignment: 1 << 52)
    }
    #expect(throws: TesseraError.empty) { _ = try allocator.allocate(byteCount: 0) }
    #expect(allocator.byteCountLeft == before)
    #expect(allocator.allocations.all == [])
  }

  @Test func `the last byte can be allocated, and then none`() throws {
    var allocator = EarlyAllocator(memoryMap([region(0x10_0000, 0x10_1000, .usable)]))
    #expect(try allocator.allocate(byteCount: 0x1000).rawValue == 0x10_0000)
    #expect(throws: TesseraError.outOfFrames) {
      _ = try allocator.allocate(byteCount: 1, alignment: 1)
    }
  }

  @Test func `a region across 4 GiB is split into two ranges`() throws {
    var allocator = EarlyAllocator(memoryMap([region(0xf000_0000, 0x1_8000_0000, .usable)]))
    #expect(try allocator.allocate(byteCount: 0x1000).rawValue == 0xf000_0000)
    #expect(
      try allocator.allocate(byteCount: 0x1000, preferring: .mostRoom).rawValue == 0x1_0000_0000)
    #expect(throws: TesseraError.outOfFrames) {
      _ = try allocator.allocate(byteCount: 0x8000_0001)
    }
  }

  @Test func `a map without usable memory fails every request`() {
    var allocator = EarlyAllocator(
      memoryMap([region(0, 0x9_0000, .usable)], lowMemoryEnd: 0x10_0000))
    #expect(throws: TesseraError.outOfFrames) { _ = try allocator.allocate(byteCount: 1) }
    #expect(allocator.retire().all == [])
  }

  @Test func `allocated memory becomes metadata in the map`() throws {
    var allocator = EarlyAllocator(machine)
    _ = try allocator.allocate(byteCount: 0x1800)
    _ = try allocator.allocate(byteCount: 0x10_0000, preferring: .mostRoom)
    let extended = machine.adding(allocator.retire())
    let metadata = extended.all.filter { $0.kind == .metadata }
    #expect(
      metadata == [
        region(0x20_3000, 0x20_5000, .metadata), region(0x1_0000_0000, 0x1_0010_0000, .metadata),
      ])
    #expect(
      extended.totals().byteCount(of: .usable) == machine.totals().byteCount(of: .usable)
        - 0x10_2000)
  }

  @Test func `an alignment that is no power of two traps`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var allocator = EarlyAllocator(memoryMap([region(0x10_0000, 0x20_0000, .usable)]))
      _ = try allocator.allocate(byteCount: 1, alignment: 24)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("alignment is not a power of two up to 2^52"))
  }
}
