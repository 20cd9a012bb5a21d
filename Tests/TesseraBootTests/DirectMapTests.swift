import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

/// An arena that simulates physical memory at `start`, with a running root in it.
private final class Arena {
  static let start: UInt64 = 0x20_0000
  static let byteCount = 0x40_0000
  static let runningRoot: UInt64 = 0x20_0000
  static let kernelEntry: UInt64 = 0x12_3003
  /// Allocatable memory: the arena without the running root.
  static let free = region(start + 0x1000, start + UInt64(byteCount), .usable)

  private let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)

  init() {
    // Garbage, so that an entry that was not cleared is detected.
    memory.initializeMemory(as: UInt8.self, repeating: 0xa5, count: Self.byteCount)
    for index in 0..<512 { store(index == 511 ? Self.kernelEntry : 0x7, index) }
  }

  deinit { memory.deallocate() }

  func runningMapping(below limit: UInt64 = start + UInt64(byteCount)) -> DirectMap.RunningMapping {
    let base = UInt(bitPattern: memory) &- UInt(Self.start)
    return unsafe DirectMap.RunningMapping(
      base: base, below: PhysicalAddress(limit), root: PhysicalAddress(Self.runningRoot))
  }

  func word(_ table: UInt64, _ index: Int) -> UInt64 {
    precondition(table % 4096 == 0 && table >= Self.start)
    precondition(table + 4096 <= Self.start + UInt64(Self.byteCount), "a table outside the arena")
    return memory.load(fromByteOffset: Int(table - Self.start) + index * 8, as: UInt64.self)
  }

  private func store(_ value: UInt64, _ index: Int) {
    memory.storeBytes(of: value, toByteOffset: index * 8, as: UInt64.self)
  }
}

/// The translations of the tables, as a processor walks them.
private struct Walk {
  struct Leaf {
    let virtual: UInt64
    let physical: UInt64
    let byteCount: UInt64
    let flags: UInt64
  }

  private(set) var leaves: [Leaf] = []
  private(set) var tables: [UInt64] = []
  let kernelEntry: UInt64

  /// The span of one entry of the root, as a power of two.
  private static var topShift: UInt64 { PagingMode.current.rootLevel.number == 5 ? 48 : 39 }

  init(_ arena: Arena, root: UInt64) {
    kernelEntry = arena.word(root, 511)
    visit(arena, table: root, shift: Self.topShift, virtual: 0)
  }

  private mutating func visit(_ arena: Arena, table: UInt64, shift: UInt64, virtual: UInt64) {
    tables.append(table)
    for index in 0..<(shift == Self.topShift ? 511 : 512) {
      let entry = arena.word(table, index)
      if entry & 1 == 0 {
        if entry != 0 { Issue.record("an absent entry is not zero") }
        continue
      }
      var address = virtual | UInt64(index) << shift
      if shift == Self.topShift && index >= 256 { address |= ~0 << (shift + 9) }
      let isLeaf = shift == 12 || entry & 0x80 != 0
      if isLeaf {
        if shift >= 39 { Issue.record("a leaf at a level without leaves") }
        let mask = UInt64(0x000f_ffff_ffff_f000)
        if entry & mask & ((1 << shift) - 1) != 0 { Issue.record("a reserved bit is set") }
        leaves.append(
          Leaf(
            virtual: address, physical: entry & mask, byteCount: 1 << shift,
            flags: entry & ~mask & ~(shift == 12 ? 0 : 0x80)))
      } else {
        if entry & ~0x000f_ffff_ffff_f000 != 0x3 { Issue.record("a table entry has other flags") }
        visit(arena, table: entry & 0x000f_ffff_ffff_f000, shift: shift - 9, virtual: address)
      }
    }
  }

  /// Checks that exactly `extents` are mapped.
  func check(
    mapping extents: [Range<UInt64>], at base: UInt64, largest: UInt64, readOnly: Range<UInt64>,
    sourceLocation: SourceLocation
  ) {
    var mapped: [Range<UInt64>] = []
    for leaf in leaves {
      let range = leaf.physical..<leaf.physical + leaf.byteCount
      // Present, writable, global, no-execute, and no other bit.
      let isWritable = !readOnly.overlaps(range)
      let flags: UInt64 = isWritable ? 0x8000_0000_0000_0103 : 0x8000_0000_0000_0101
      #expect(leaf.flags == flags, sourceLocation: sourceLocation)
      if !isWritable { #expect(readOnly.clamped(to: range) == range, "only part is read-only") }
      #expect(leaf.virtual == base + leaf.physical, sourceLocation: sourceLocation)
      let home = extents.first { $0.contains(range.lowerBound) }
      #expect(
        home.map { range.upperBound <= $0.upperBound } == true, sourceLocation: sourceLocation)
      if range.lowerBound >= 0x10_0000, leaf.byteCount < largest, let home {
        let larger = leaf.byteCount << 9
        let start = range.lowerBound & ~(larger - 1)
        let fits = max(home.lowerBound, 0x10_0000) <= start && start + larger <= home.upperBound
        let whole = start..<start + larger
        let isMixed = readOnly.overlaps(whole) && readOnly.clamped(to: whole) != whole
        #expect(!fits || isMixed, "a larger page would fit", sourceLocation: sourceLocation)
      }
      if range.lowerBound < 0x10_0000 { #expect(leaf.byteCount == 4096) }
      if let last = mapped.last, last.upperBound == range.lowerBound {
        mapped[mapped.count - 1] = last.lowerBound..<range.upperBound
      } else {
        mapped.append(range)
      }
    }
    #expect(mapped == extents, sourceLocation: sourceLocation)
    #expect(Set(tables).count == tables.count, "a table is reachable twice")
    #expect(kernelEntry == Arena.kernelEntry, sourceLocation: sourceLocation)
  }
}

/// The extents to map: the first mebibyte, and each run of memory of the map.
private func extents(of regions: [MemoryRegion]) -> [Range<UInt64>] {
  var result: [Range<UInt64>] = [0..<0x10_0000]
  for region in regions where region.kind.isMemory && region.end.rawValue > 0x10_0000 {
    let range = max(region.start.rawValue, 0x10_0000)..<region.end.rawValue
    if result[result.count - 1].upperBound == range.lowerBound {
      result[result.count - 1] = result[result.count - 1].lowerBound..<range.upperBound
    } else {
      result.append(range)
    }
  }
  return result
}

extension OnSimulatedMachine {
  @Suite("Direct map") struct DirectMapTests {
    private let arena = Arena()
    private static let base: UInt64 = 0xffff_8000_0000_0000

    /// Builds the tables for `regions` and checks them.
    @discardableResult
    private func build(
      _ regions: [MemoryRegion], at base: UInt64 = base, largest: PageSize = .oneGiB,
      readOnly: Range<UInt64> = 0..<0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> DirectMap {
      // The allocator uses the arena only, whatever the map contains.
      var allocator = EarlyAllocator(memoryMap([Arena.free]))
      let map = memoryMap(regions, lowMemoryEnd: 0x10_0000)
      let direct = try DirectMap.build(
        mapping: map, at: base, largestPage: largest,
        readOnly: PhysicalAddress(readOnly.lowerBound)..<PhysicalAddress(readOnly.upperBound),
        from: &allocator, running: arena.runningMapping())
      let walk = Walk(arena, root: direct.root.rawValue)
      walk.check(
        mapping: extents(of: map.all), at: base, largest: largest.byteCount, readOnly: readOnly,
        sourceLocation: sourceLocation)
      #expect(direct.tableCount == UInt64(walk.tables.count))
      for (count, size) in [
        (direct.fourKiBCount, PageSize.fourKiB), (direct.twoMiBCount, .twoMiB),
        (direct.oneGiBCount, .oneGiB),
      ] {
        #expect(count == UInt64(walk.leaves.filter { $0.byteCount == size.byteCount }.count))
      }
      #expect(direct.byteCount == walk.leaves.reduce(0) { $0 + $1.byteCount })
      let used = allocator.retire().low.byteCount
      #expect(used == direct.tableCount * 4096)
      return direct
    }

    @Test func `memory is mapped, and holes and reserved ranges are not`() throws {
      let direct = try build([
        region(0, 0x9fc00, .usable), region(0x10_0000, 0x7fe_0000, .usable),
        region(0x7fe_0000, 0x800_0000, .reserved), region(0xfffc_0000, 0x1_0000_0000, .reserved),
        region(0x10_0000, 0x26_2000, .kernelImage), region(0x30_0000, 0x30_0001, .module),
      ])
      #expect(direct.oneGiBCount == 0)
      #expect(direct.twoMiBCount == 62)
      #expect(direct.fourKiBCount == 256 + 256 + 480)
    }

    @Test(arguments: [PageSize.oneGiB, .twoMiB, .fourKiB])
    func `the largest pages that the processor supports are used`(largest: PageSize) throws {
      let machine = [
        region(0x10_0000, 0xc000_0000, .usable), region(0x1_0000_0000, 0x1_4000_0000, .usable),
      ]
      let regions = largest == .fourKiB ? [region(0x10_0000, 0x4010_0000, .usable)] : machine
      let direct = try build(regions, largest: largest)
      switch largest {
      case .oneGiB: #expect((direct.oneGiBCount, direct.twoMiBCount) == (3, 511))
      case .twoMiB: #expect((direct.oneGiBCount, direct.twoMiBCount) == (0, 4 * 512 - 1))
      case .fourKiB: #expect(direct.fourKiBCount == 0x4_0100)
      }
    }

    @Test func `a large page spans kinds of memory, but nothing else`() throws {
      let kinds: [MemoryKind] = [
        .usable, .bootInformation, .module, .kernelImage, .metadata, .acpiReclaimable,
        .acpiNonVolatile,
      ]
      let mixed = kinds.enumerated().map { index, kind in
        region(0x40_0000 + UInt64(index) * 0x4_0000, 0x44_0000 + UInt64(index) * 0x4_0000, kind)
      }
      let whole = try build(mixed + [region(0x5c_0000, 0x60_0000, .usable)])
      #expect((whole.twoMiBCount, whole.fourKiBCount) == (1, 256))
      for kind in [MemoryKind.reserved, .defective] {
        let broken = try build(mixed + [region(0x5c_0000, 0x60_0000, kind)])
        #expect((broken.twoMiBCount, broken.fourKiBCount) == (0, 256 + 448))
      }
    }

    @Test func `the first mebibyte is mapped in small pages, even without regions`() throws {
      let direct = try build([])
      #expect(direct.fourKiBCount == 256)
      #expect(try build([region(0, 0x4000_0000, .usable)]).fourKiBCount == 512)
    }

    @Test(
      arguments: [
        0x20_0000..<0x20_1000, 0x10_0000..<0x13_4000, 0x1f_f000..<0x60_1000, 0x20_0000..<0x40_0000,
        0x4000_0000..<0x8000_0000, 0x4020_0000..<0x4020_3000, 0x9_0000..<0x11_0000,
        0xbfff_f000..<0xc000_0000,
      ] as [Range<UInt64>])
    func `exactly the read-only pages are read-only`(
      range: Range<UInt64>
    ) throws {
      try build([region(0x10_0000, 0xc000_0000, .usable)], readOnly: range)
      try build([region(0, 0x50_0000, .usable)], largest: .twoMiB, readOnly: range)
    }

    @Test func `distant memory is mapped at its offset, in several entries of the root`() throws {
      let far: UInt64 = 0x7f_c000_0000
      try build(
        [region(far, far + 0x8000_0000, .usable), region(1 << 45, 1 << 45 | 0x3000, .usable)],
        at: 0xffff_9000_4000_0000)
    }

    @Test func `memory that does not fit below the kernel image is an error`() throws {
      let base: UInt64 = 0xffff_ff00_0000_0000
      try build([region(0x7f_ffff_f000, 0x80_0000_0000, .usable)], at: base)
      for top in [0x80_0000_1000, 1 << 52] as [UInt64] {
        #expect(throws: TesseraError.outOfBounds) {
          try build([region(top - 0x1000, top, .usable)], at: base)
        }
      }
      #expect(throws: TesseraError.outOfBounds) { try build([], at: 0xffff_ff80_0000_0000) }
    }

    @Test func `with five levels there is one more table, and 256 TiB for the image`()
      throws
    {
      let regions = [region(0x10_0000, 0x40_1000, .usable), region(1 << 40, 1 << 41, .usable)]
      let four = try build(regions)
      unsafe PagingMode.install(PagingMode(rootLevel: PagingLevel(5)))
      defer { unsafe PagingMode.install(PagingMode()) }
      let base: UInt64 = 0xff00_0000_0000_0000
      #expect(try build(regions, at: base).tableCount == four.tableCount + 1)
      try build(regions + [region(1 << 51, 1 << 51 | 0x3000, .usable)], at: base + 1 << 30)
      // In the last entry of a level 4 root, but not of a level 5 root.
      let last: UInt64 = 0xfffe_ff80_0000_0000
      try build([region(0x7f_ffff_f000, 0x80_0000_0000, .usable)], at: last)
      #expect(throws: TesseraError.outOfBounds) {
        try build([region(0x80_0000_0000, 0x80_0000_1000, .usable)], at: last)
      }
      #expect(throws: TesseraError.outOfBounds) { try build([], at: 0xffff_0000_0000_0000) }
    }

    @Test func `failure to allocate any table is an error`() throws {
      let regions = [
        region(0x10_0000, 0x40_1000, .usable), region(0x1_0000_0000, 0x1_0000_1000, .usable),
      ]
      let needed = try build(regions).tableCount
      for available in 0..<needed {
        let end = Arena.free.start.rawValue + available * 4096
        var allocator = EarlyAllocator(memoryMap([Arena.free]))
        #expect(throws: TesseraError.outOfFrames) {
          _ = try DirectMap.build(
            mapping: memoryMap(regions), at: Self.base, largestPage: .oneGiB, from: &allocator,
            running: arena.runningMapping(below: end))
        }
      }
    }

    @Test(.seeded(11)) func `random maps are mapped page by page`() throws {
      var generator = SplitMix(seed: Seed.current)
      for round in 0..<Seed.rounds(150, ofRange: 12) {
        let unit: UInt64 = [0x1000, 0x20_0000, 0x1000_0000][round % 3]
        let regions = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
          let start = UInt64.random(in: 0...24, using: &generator) * unit
          let kind = MemoryKind(rawValue: [0, 0, 0, 4, 8, 9].randomElement(using: &generator)!)!
          return region(start, start + UInt64.random(in: 0...9, using: &generator) * unit, kind)
        }
        let stray = region(0x321_0000, 0x321_5000, round % 2 == 0 ? .usable : .reserved)
        try build(regions + [stray], largest: round % 4 == 0 ? .twoMiB : .oneGiB)
      }
    }

    @Test func `a misaligned base traps`() async {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        var allocator = EarlyAllocator(memoryMap([Arena.free]))
        _ = try DirectMap.build(
          mapping: memoryMap([]), at: 0xffff_8000_0020_0000, largestPage: .twoMiB, from: &allocator,
          running: Arena().runningMapping())
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains("direct map is not 1 GiB aligned"))
    }
  }
}
