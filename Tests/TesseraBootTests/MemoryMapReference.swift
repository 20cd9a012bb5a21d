import TesseraBoot
import TesseraFrames
import TesseraHardware

/// The reference implementation of a memory map, byte by byte over a small space.
///
/// Bytes are counted in units of 256, so a page has 16 of them.
struct MemoryMapReference {
  static let unitsPerPage = 16
  static let unit: UInt64 = 256
  /// The kinds of the pages above `base`; nil is a hole.
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

  /// The pages as regions, adjacent ones of one kind merged.
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
