import Foundation
import Scenarios
import TesseraBoot
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

@Suite("Memory map") struct MemoryMapTests {
  @Test func `an empty map has no regions and no end of memory`() {
    let empty = memoryMap([])
    #expect(empty.all == [])
    #expect(empty.endOfMemory == .zero)
    #expect(empty.totals().holeByteCount == 0)
    #expect(memoryMap([region(0x5000, 0x5000, .usable), region(0, 0, .reserved)]).all == [])
  }

  @Test func `unsorted regions are sorted`() {
    let regions = [
      region(0x30_0000, 0x40_0000, .usable), region(0x10_0000, 0x20_0000, .usable),
      region(0x50_0000, 0x60_0000, .reserved), region(0x20_8000, 0x20_9000, .module),
    ]
    #expect(memoryMap(regions).all == regions.sorted { $0.start < $1.start })
  }

  @Test func `usable memory is rounded inwards and everything else outwards`() {
    #expect(memoryMap([region(0x1800, 0x4800, .usable)]).all == [region(0x2000, 0x4000, .usable)])
    #expect(
      memoryMap([region(0x1801, 0x4801, .reserved)]).all == [region(0x1000, 0x5000, .reserved)])
    #expect(memoryMap([region(0x1fff, 0x2000, .usable)]).all == [])
    #expect(
      memoryMap([region(0x1001, 0x1002, .defective)]).all == [region(0x1000, 0x2000, .defective)])
    #expect(
      memoryMap([region(0, 0x9fc00, .usable), region(0x9fc00, 0xa0000, .reserved)]).all
        == [region(0, 0x9f000, .usable), region(0x9f000, 0xa0000, .reserved)])
  }

  @Test func `adjacent usable ranges are merged before rounding, in any order`() {
    let pieces = [
      region(0x1000, 0x1800, .usable), region(0x1800, 0x3400, .usable),
      region(0x3400, 0x3401, .usable), region(0x3300, 0x5000, .usable),
    ]
    #expect(memoryMap(pieces).all == [region(0x1000, 0x5000, .usable)])
    #expect(memoryMap(pieces.reversed()).all == [region(0x1000, 0x5000, .usable)])
  }

  @Test func `a page that lacks one byte is a hole`() {
    let regions = [region(0x1000, 0x1800, .usable), region(0x1801, 0x3000, .usable)]
    #expect(memoryMap(regions).all == [region(0x2000, 0x3000, .usable)])
  }

  @Test func `adjacent regions of one kind are merged`() {
    let regions = [
      region(0x2000, 0x3000, .module), region(0x1000, 0x2000, .module),
      region(0x3000, 0x4000, .reserved), region(0x3000, 0x4000, .reserved),
    ]
    #expect(
      memoryMap(regions).all == [
        region(0x1000, 0x3000, .module), region(0x3000, 0x4000, .reserved),
      ])
  }

  @Test(arguments: [false, true])
  func `the higher kind takes precedence where regions overlap`(reversed: Bool) {
    let cases: [([MemoryRegion], [MemoryRegion])] = [
      // Nested.
      (
        [region(0x1000, 0x9000, .usable), region(0x3000, 0x5000, .reserved)],
        [
          region(0x1000, 0x3000, .usable), region(0x3000, 0x5000, .reserved),
          region(0x5000, 0x9000, .usable),
        ]
      ),
      // Partial overlap.
      (
        [region(0x1000, 0x5000, .usable), region(0x4000, 0x9000, .acpiNonVolatile)],
        [region(0x1000, 0x4000, .usable), region(0x4000, 0x9000, .acpiNonVolatile)]
      ),
      // The same range.
      (
        [region(0x1000, 0x5000, .usable), region(0x1000, 0x5000, .defective)],
        [region(0x1000, 0x5000, .defective)]
      ),
      // Three deep, with a lower kind on both sides of a higher one.
      (
        [
          region(0x1000, 0x9000, .kernelImage), region(0x3000, 0x5000, .reserved),
          region(0, 0xf000, .usable),
        ],
        [
          region(0, 0x1000, .usable), region(0x1000, 0x3000, .kernelImage),
          region(0x3000, 0x5000, .reserved), region(0x5000, 0x9000, .kernelImage),
          region(0x9000, 0xf000, .usable),
        ]
      ),
    ]
    for (input, expected) in cases {
      #expect(memoryMap(reversed ? input.reversed() : input).all == expected)
    }
  }

  @Test func `every kind takes precedence over the lower ones`() {
    for high in 1..<MemoryKind.count {
      for low in 0..<high {
        let regions = [
          region(0, 0x3000, MemoryKind(rawValue: UInt8(low))!),
          region(0x1000, 0x2000, MemoryKind(rawValue: UInt8(high))!),
        ]
        #expect(memoryMap(regions).all.count == 3)
        #expect(memoryMap(regions.reversed()).all.dropFirst().first == regions[1])
      }
    }
  }

  @Test func `usable memory below the low memory limit is low memory`() {
    let regions = [
      region(0, 0x9fc00, .usable), region(0xf0000, 0x10_0000, .reserved),
      region(0xff000, 0x80_0000, .usable),
    ]
    #expect(
      memoryMap(regions, lowMemoryEnd: 0x10_0000).all == [
        region(0, 0x9f000, .lowMemory), region(0xf0000, 0x10_0000, .reserved),
        region(0x10_0000, 0x80_0000, .usable),
      ])
    let across = [region(0x8_0000, 0x18_0000, .usable)]
    let split = [region(0x8_0000, 0x10_0000, .lowMemory), region(0x10_0000, 0x18_0000, .usable)]
    #expect(memoryMap(across, lowMemoryEnd: 0x10_0000).all == split)
    #expect(MemoryMap(RegionArray(across)).all == split)
    #expect(memoryMap(across, lowMemoryEnd: 0xf_f001).all == split)
  }

  @Test func `memory above 4 GiB and the last page are included`() {
    let regions = [
      region(0x10_0000, 0xc000_0000, .usable), region(0x1_0000_0000, 0x9_4000_0000, .usable),
      region((1 << 52) - 0x1000, 1 << 52, .usable),
    ]
    #expect(memoryMap(regions).all == regions)
    #expect(memoryMap(regions).endOfMemory == .limit)
    let broken = [region((1 << 52) - 1, 1 << 52, .reserved)]
    #expect(memoryMap(broken).all == [region((1 << 52) - 0x1000, 1 << 52, .reserved)])
    #expect(memoryMap([region(0, 1 << 52, .usable)]).all == [region(0, 1 << 52, .usable)])
  }

  @Test func `only non-defective memory extends the end of memory`() {
    let far = region(0xfd_0000_0000, 0x100_0000_0000, .reserved)
    let bad = region(0x2_0000_0000, 0x2_0000_1000, .defective)
    for kind in (0..<MemoryKind.count).map({ MemoryKind(rawValue: UInt8($0))! }) {
      let regions = [
        far, region(0x10_0000, 0x20_0000, .usable), bad, region(0x30_0000, 0x30_0001, kind),
      ]
      let expected: UInt64 = kind == .usable || !kind.isMemory ? 0x20_0000 : 0x30_1000
      #expect(memoryMap(regions).endOfMemory.rawValue == expected)
      // Nor is there a slot for what is never allocated.
      let isFirmware = kind == .acpiReclaimable || kind == .acpiNonVolatile
      let end = memoryMap(regions).endOfFrames.rawValue
      #expect(end == (isFirmware ? 0x20_0000 : expected))
    }
    // Memory covered by a reserved region does not count.
    let covered = [region(0, 0x5000, .usable), region(0x4000, 0x6000, .reserved)]
    #expect(memoryMap(covered).endOfMemory.rawValue == 0x4000)
  }

  @Test func `the totals and the holes add up to the limit`() {
    let whole = memoryMap(
      [
        region(0, 0x9fc00, .usable), region(0x10_0000, 0x1000_0000, .usable),
        region(0xf000_0000, 0x1_0000_0000, .reserved), region(0x10_0000, 0x20_1234, .kernelImage),
        region(0x1_0000_0000, 0x1_4000_0000, .usable),
      ], lowMemoryEnd: 0x10_0000)
    let totals = whole.totals()
    #expect(totals.byteCount(of: .lowMemory) == 0x9f000)
    #expect(totals.byteCount(of: .kernelImage) == 0x10_2000)
    #expect(totals.byteCount(of: .usable) == 0x1000_0000 - 0x20_2000 + 0x4000_0000)
    #expect(totals.byteCount(of: .reserved) == 0x1000_0000)
    #expect(totals.holeByteCount == 0x6_1000 + 0xe000_0000)
    #expect(totals.regionCount == 5)
    #expect(totals.end.rawValue == 0x1_4000_0000)
    for limit: UInt64 in [0, 0x1000, 0x9f000, 0xa0000, 0x1000_0000, 0x1_4000_0000, 1 << 52] {
      let part = whole.totals(below: PhysicalAddress(limit))
      let kinds = (0..<MemoryKind.count).map {
        part.byteCount(of: MemoryKind(rawValue: UInt8($0))!)
      }
      #expect(kinds.reduce(part.holeByteCount, +) == limit)
      #expect(part.end.rawValue == limit)
      #expect(part.memoryByteCount == limit - part.holeByteCount - part.byteCount(of: .reserved))
    }
  }

  @Test func `added regions are in the map but not counted as entries`() {
    let base = memoryMap([region(0x10_0000, 0x80_0000, .usable)], lowMemoryEnd: 0x10_0000)
    let extended = base.adding(region(0x10_0000, 0x20_0800, .kernelImage))
      .adding(region(0x70_0000, 0x70_0000, .metadata)).adding(
        region(0x60_0000, 0x61_0000, .metadata))
    #expect(extended.entryCount == 1)
    #expect(extended.lowMemoryEnd == base.lowMemoryEnd)
    #expect(
      extended.all == [
        region(0x10_0000, 0x20_1000, .kernelImage), region(0x20_1000, 0x60_0000, .usable),
        region(0x60_0000, 0x61_0000, .metadata), region(0x61_0000, 0x80_0000, .usable),
      ])
  }

  @Test func `a plain array of regions is a source`() {
    let regions = [region(0x20_0000, 0x30_0000, .usable), region(0x10_0000, 0x20_0000, .module)]
    regions.withUnsafeBufferPointer { buffer in
      let list = unsafe MemoryRegionList(buffer)
      #expect(list.entryCount == 2)
      #expect(MemoryMap(list).all == regions.reversed())
    }
  }

  @Test func `a region that wraps or exceeds the address space is nil`() {
    #expect(MemoryRegion(start: UInt64.max, byteCount: 2, kind: .usable) == nil)
    #expect(MemoryRegion(start: 1 << 52, byteCount: 1, kind: .usable) == nil)
    #expect(MemoryRegion(start: 0x1000, byteCount: UInt64.max, kind: .usable) == nil)
    #expect(MemoryRegion(start: (1 << 52) - 1, byteCount: 2, kind: .usable) == nil)
    let last = MemoryRegion(start: (1 << 52) - 1, byteCount: 1, kind: .usable)
    #expect(last == region((1 << 52) - 1, 1 << 52, .usable))
  }

  @Test func `a region that ends before it starts traps`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = MemoryRegion(start: PhysicalAddress(2), end: PhysicalAddress(1), kind: .usable)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a memory region ends before it starts"))
  }
}

@Suite("Memory maps of many entries") struct MemoryMapSizeTests {
  @Test(.seeded(7), arguments: [312, Seed.rounds(3_000, ofRange: 900)])
  func `any number of entries is supported`(count: Int) {
    var generator = SplitMix(seed: Seed.current)
    let kinds: [MemoryKind] = [.usable, .reserved, .acpiReclaimable]
    let regions = (0..<count).map { index in
      let start = UInt64(index) * 0x4000
      return region(start, start + (index % 2 == 0 ? 0x4000 : 0x3000), kinds[index % 3])
    }
    #expect(memoryMap(regions.shuffled(using: &generator)).all == regions)
  }

  @Test(.seeded(3)) func `ten thousand contiguous entries are one region`() {
    let count = UInt64(Seed.rounds(10_000, ofRange: 1_000))
    let pieces = (0..<count).map { region($0 * 0x800, ($0 + 1) * 0x800, .usable) }
    #expect(memoryMap(pieces).all == [region(0, count * 0x800, .usable)])
    var generator = SplitMix(seed: Seed.current)
    let shuffled = pieces.shuffled(using: &generator)
    #expect(memoryMap(shuffled).all == [region(0, count * 0x800, .usable)])
  }

  @Test(.seeded(1)) func `random maps match the reference`() {
    var generator = SplitMix(seed: Seed.current)
    let pageCount = 24
    let bases: [UInt64] = [
      0, 0x10_0000 - 12 * 4096, 0x1_0000_0000 - 12 * 4096, (1 << 52) - 24 * 4096,
    ]
    for round in 0..<Seed.rounds(20_000, ofRange: 200) {
      let base = bases[round % bases.count]
      let limit = pageCount * MemoryMapReference.unitsPerPage
      let aligned = Bool.random(using: &generator)
      let regions = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        var bounds = [
          Int.random(in: 0...limit, using: &generator),
          Int.random(in: 0...limit, using: &generator),
        ].sorted()
        if aligned { bounds = bounds.map { $0 / 16 * 16 } }
        let kind = Bool.random(using: &generator) ? 0 : UInt8.random(in: 0...9, using: &generator)
        return region(
          base + UInt64(bounds[0]) * MemoryMapReference.unit,
          base + UInt64(bounds[1]) * MemoryMapReference.unit, MemoryKind(rawValue: kind)!)
      }
      let expected = MemoryMapReference(
        regions, base: base, pageCount: pageCount, lowMemoryEnd: 0x10_0000)
      let found = MemoryMap(RegionArray(regions)).all
      if found != expected.regions(base: base) {
        Issue.record("round \(round) of seed \(Seed.current): \(regions) resulted in \(found)")
        return
      }
    }
  }
}
