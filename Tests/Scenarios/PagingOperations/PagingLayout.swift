internal import TesseraHardware
internal import TesseraSpaces

/// The pages of a walk, by numbers that ascend with their addresses: some around the border of
/// tables of every level, some in the middle of one leaf table, a block of 2 MiB with pages before
/// and after it, and the last ones of a space.
enum PagingLayout {
  private static var regionCount: Int { 4 }
  static var pageCount: Int { 568 }
  /// The pages that a large page can map.
  static var block: Range<Int> { 46..<558 }

  /// The pages of region `number`.
  static func region(_ number: Int) -> Range<Int> {
    switch number {
    case 0: 0..<12
    case 1: 12..<44
    case 2: 44..<560
    default: 560..<pageCount
    }
  }

  /// The region that page `index` is in.
  static func region(of index: Int) -> Int {
    var number = 0
    while number < regionCount - 1, index >= region(number).upperBound { number += 1 }
    return number
  }

  static func start(_ index: Int) -> UInt64 {
    let number = region(of: index)
    let first: UInt64 =
      switch number {
      case 0: 1 << 30 - 6 * 4096
      case 1: 3 << 30 + 64 * 4096
      case 2: 5 << 30 + 6 << 20 - 2 * 4096
      default: VmSpace.end.rawValue - 8 * 4096
      }
    return first + UInt64(index - region(number).lowerBound) * 4096
  }

  static func address(_ index: Int) -> VirtualAddress { VirtualAddress(start(index)) }

  /// From the first of `pages` to the last, with what is between regions.
  static func addresses(_ pages: Range<Int>) -> Range<VirtualAddress> {
    address(pages.lowerBound)..<VirtualAddress(start(pages.upperBound - 1) + 4096)
  }

  static func byteCount(_ pages: Range<Int>) -> UInt64 {
    let range = addresses(pages)
    return range.upperBound.rawValue - range.lowerBound.rawValue
  }

  /// The pages of the walk in the aligned block of `pageCount` pages around page `index`.
  static func pages(around index: Int, _ pageCount: Int) -> Range<Int> {
    let region = region(of: index)
    let number = Int(start(index) >> 12)
    let before = number & (pageCount - 1)
    let first = max(Self.region(region).lowerBound, index - before)
    return first..<min(Self.region(region).upperBound, index - before + pageCount)
  }
}
