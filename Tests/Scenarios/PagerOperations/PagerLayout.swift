internal import TesseraHardware
internal import TesseraSpaces

/// The pages of a walk, by numbers that ascend with their addresses: four regions of which the
/// first lies in one leaf table and the others across two, and the last pages of a space.
enum PagerLayout {
  static var pageCount: Int { 120 }
  private static var regionSize: Int { 28 }
  private static var lastRegion: Int { 4 }

  /// The region that page `index` is in.
  static func region(of index: Int) -> Int { index / regionSize }

  /// The pages of region `number`.
  static func pages(ofRegion number: Int) -> Range<Int> {
    number * regionSize..<min(number * regionSize + regionSize, pageCount)
  }

  /// How many pages there are from page `index` to the end of its region.
  static func countLeft(from index: Int) -> Int {
    pages(ofRegion: region(of: index)).upperBound - index
  }

  static func start(_ index: Int) -> UInt64 {
    let region = region(of: index)
    let offset = UInt64(index - region * regionSize) * 4096
    if region == lastRegion { return VmSpace.end.rawValue - 8 * 4096 + offset }
    return 1 << 30 + UInt64(region) << 21 - UInt64(region) * 7 * 4096 + offset
  }

  static func address(_ index: Int) -> VirtualAddress { VirtualAddress(start(index)) }

  /// From the first of `pages`, which are of one region, to the last.
  static func addresses(_ pages: Range<Int>) -> Range<VirtualAddress> {
    let first = start(pages.lowerBound)
    return VirtualAddress(first)..<VirtualAddress(first + byteCount(pages))
  }

  static func byteCount(_ pages: Range<Int>) -> UInt64 { UInt64(pages.count) * 4096 }
}
