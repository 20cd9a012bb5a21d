import TesseraBoot
import TesseraFrames
import TesseraHardware

/// Regions in an array, as the tests write them down.
struct RegionArray: MemoryRegionSource {
  var regions: [MemoryRegion]

  init(_ regions: [MemoryRegion]) { self.regions = regions }

  func forEachRegion(_ body: (MemoryRegion) -> Void) { regions.forEach(body) }
}

extension MemoryRegionSource {
  /// The regions as an array.
  var all: [MemoryRegion] {
    var result: [MemoryRegion] = []
    forEachRegion { result.append($0) }
    return result
  }
}

func region(_ start: UInt64, _ end: UInt64, _ kind: MemoryKind) -> MemoryRegion {
  MemoryRegion(start: PhysicalAddress(start), end: PhysicalAddress(end), kind: kind)
}

func memoryMap(_ regions: [MemoryRegion], lowMemoryEnd: UInt64 = 0) -> MemoryMap<RegionArray> {
  MemoryMap(RegionArray(regions), keepingBackBelow: PhysicalAddress(lowMemoryEnd))
}

/// Random numbers from a seed, the same on every machine (the SplitMix64 generator).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// What a memory map must be, worked out byte by byte over a small space.
///
/// Bytes are counted in units of 256, so a page has 16 of them.
struct MemoryMapReference {
  static let unitsPerPage = 16
  static let unit: UInt64 = 256
  /// The kinds of the pages from `base` on; nil is a hole.
  var pages: [MemoryKind?]

  init(_ regions: [MemoryRegion], base: UInt64, pageCount: Int, lowMemoryEnd: UInt64) {
    var kinds = [Set<MemoryKind>](repeating: [], count: pageCount * Self.unitsPerPage)
    for region in regions where region.start < region.end {
      let first = Int((region.start.rawValue - base) / Self.unit)
      let last = Int((region.end.rawValue - base) / Self.unit)
      for unit in first..<last { kinds[unit].insert(region.kind) }
    }
    pages = (0..<pageCount).map { page in
      let units = kinds[page * Self.unitsPerPage..<(page + 1) * Self.unitsPerPage]
      let kept = units.flatMap { $0 }.filter { $0 != .usable }
      if let highest = kept.max(by: { $0.rawValue < $1.rawValue }) { return highest }
      guard units.allSatisfy({ $0.contains(.usable) }) else { return nil }
      return base + UInt64(page) * 4096 < lowMemoryEnd ? .lowMemory : .usable
    }
  }

  /// The pages as regions, neighbours of one kind joined.
  func regions(base: UInt64) -> [MemoryRegion] {
    var result: [MemoryRegion] = []
    for (page, kind) in pages.enumerated() {
      guard let kind else { continue }
      let start = base + UInt64(page) * 4096
      if let last = result.last, last.end.rawValue == start, last.kind == kind {
        result[result.count - 1] = region(last.start.rawValue, start + 4096, kind)
      } else {
        result.append(region(start, start + 4096, kind))
      }
    }
    return result
  }
}
