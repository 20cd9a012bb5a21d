internal import TesseraHardware
internal import TesseraSpaces

/// The addresses of a run: some rows of pages that matter most, and the gaps between them.
///
/// Each page of a row is a cell, and so is each gap. Whatever a run does begins and ends where a
/// cell does, so that the pages of a gap are always alike, and a few cells are a model of
/// terabytes.
struct SpaceModelLayout {
  /// How many pages a row has. A gap follows it, unless it is the last.
  static var rowLength: Int { 12 }

  private var rowCount = 0
  /// Where each row begins.
  private var rows = [7 of UInt64](repeating: 0)

  /// A program's addresses: the first pages, those around the borders of tables of every level, and
  /// the last pages.
  static var user: SpaceModelLayout {
    var world = SpaceModelLayout()
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
  static var kernel: SpaceModelLayout {
    let start = KernelSpace.area.lowerBound.rawValue
    var world = SpaceModelLayout()
    world.addRow(at: start)
    world.addRow(around: start + 2 << 20)
    world.addRow(around: start + 1 << 30)
    world.addRow(at: KernelSpace.area.upperBound.rawValue - UInt64(rowLength) * 4096)
    return world
  }

  private mutating func addRow(around address: UInt64) {
    addRow(at: address - UInt64(Self.rowLength / 2) * 4096)
  }

  private mutating func addRow(at start: UInt64) {
    rows[rowCount] = start
    rowCount += 1
  }
}

extension SpaceModelLayout {
  /// How many cells there are: 90 at most.
  var cellCount: Int { rowCount * (Self.rowLength + 1) - 1 }

  /// Where cell `index` begins; where the last one ends for `cellCount`.
  func start(_ index: Int) -> UInt64 {
    let row = index / (Self.rowLength + 1)
    return rows[row] + UInt64(index % (Self.rowLength + 1)) * 4096
  }

  /// The byte after cell `index`.
  func end(_ index: Int) -> UInt64 { start(index + 1) }

  /// How many bytes the `cells` have.
  func byteCount(_ cells: Range<Int>) -> UInt64 {
    start(cells.upperBound) - start(cells.lowerBound)
  }

  func addresses(_ cells: Range<Int>) -> Range<VirtualAddress> {
    VirtualAddress(start(cells.lowerBound))..<VirtualAddress(start(cells.upperBound))
  }

  /// Whether cell `index` is a single page, and no gap.
  func isPage(_ index: Int) -> Bool { index % (Self.rowLength + 1) != Self.rowLength }

  /// The contiguous page cells from `index` on, at most `limit` of them.
  func pages(from index: Int, atMost limit: Int) -> Range<Int> {
    var end = index
    while end < cellCount, end - index < limit, isPage(end) { end += 1 }
    return index..<end
  }

  /// The cells that have an address in common with the bytes from `start` to `last`.
  func cells(from start: UInt64, to last: UInt64) -> Range<Int> {
    let first = min(cellCount, firstCell(endingAfter: start))
    let end = first == cellCount ? first : firstCell(endingAfter: last) + 1
    return first..<max(first, min(cellCount, end))
  }

  /// The first cell that ends after `address`; what comes after the last one, if none does.
  private func firstCell(endingAfter address: UInt64) -> Int {
    var row = rowCount - 1
    while row > 0, rows[row] > address { row -= 1 }
    guard address >= rows[row] else { return 0 }
    let page = Int(min((address - rows[row]) >> 12, UInt64(Self.rowLength)))
    return row * (Self.rowLength + 1) + page
  }
}
