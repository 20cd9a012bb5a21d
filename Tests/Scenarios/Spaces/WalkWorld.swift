internal import TesseraHardware
internal import TesseraSpaces

/// The addresses of a walk: some rows of pages that matter most, and the gaps between them.
///
/// Each page of a row is a cell, and so is each gap. Whatever a walk does begins and ends where a
/// cell does, so that the pages of a gap are always alike, and a few cells are a model of
/// terabytes.
struct WalkWorld {
  /// How many cells a world has at most.
  static var mostCells: Int { 118 }
  /// How many pages a row has.
  static var rowLength: Int { 16 }

  private(set) var cellCount = 0
  /// Where each cell begins, and where the last one ends.
  private var borders = [119 of UInt64](repeating: 0)

  /// A program's addresses: the first pages, those around the borders of tables of every level, and
  /// the last pages.
  static var user: WalkWorld {
    var world = WalkWorld()
    world.addRow(at: 0)
    world.addRow(around: 2 << 20)
    world.addRow(around: 4 << 20)
    world.addRow(around: 1 << 30)
    world.addRow(around: 2 << 30)
    world.addRow(around: 1 << 39)
    world.addRow(at: VmSpace.end.rawValue - UInt64(rowLength) * 4096)
    return world
  }

  /// The kernel's: the same in its area.
  static var kernel: WalkWorld {
    let start = KernelSpace.area.lowerBound.rawValue
    var world = WalkWorld()
    world.addRow(at: start)
    world.addRow(around: start + 2 << 20)
    world.addRow(around: start + 1 << 30)
    world.addRow(at: KernelSpace.area.upperBound.rawValue - UInt64(rowLength) * 4096)
    return world
  }

  private mutating func addRow(around address: UInt64) {
    addRow(at: address - UInt64(Self.rowLength / 2) * 4096)
  }

  /// Adds a row, and the gap before it if it is not the first.
  private mutating func addRow(at start: UInt64) {
    if cellCount > 0 { cellCount += 1 }
    for page in 0...Self.rowLength { borders[cellCount + page] = start + UInt64(page) * 4096 }
    cellCount += Self.rowLength
  }
}

extension WalkWorld {
  /// Where cell `index` begins; where the last one ends for `cellCount`.
  func start(_ index: Int) -> UInt64 { borders[index] }

  /// The byte after cell `index`.
  func end(_ index: Int) -> UInt64 { borders[index + 1] }

  /// How many bytes the `cells` have.
  func byteCount(_ cells: Range<Int>) -> UInt64 {
    borders[cells.upperBound] - borders[cells.lowerBound]
  }

  func addresses(_ cells: Range<Int>) -> Range<VirtualAddress> {
    VirtualAddress(borders[cells.lowerBound])..<VirtualAddress(borders[cells.upperBound])
  }

  /// Whether cell `index` is a single page, and no gap.
  func isPage(_ index: Int) -> Bool { borders[index + 1] - borders[index] == 4096 }

  /// The page cells from `index` on that follow each other, at most `limit` of them.
  func pages(from index: Int, atMost limit: Int) -> Range<Int> {
    var end = index
    while end < cellCount, end - index < limit, isPage(end) { end += 1 }
    return index..<end
  }

  /// The cells that have an address in common with the bytes from `start` to `last`.
  func cells(from start: UInt64, to last: UInt64) -> Range<Int> {
    var first = 0
    while first < cellCount, end(first) &- 1 < start { first += 1 }
    var end = first
    while end < cellCount, borders[end] <= last { end += 1 }
    return first..<end
  }
}
