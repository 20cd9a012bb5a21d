internal import TesseraFrames
internal import TesseraHardware

extension Cursor {
  /// Calls `body` with the contents of the next `byteCount` bytes, and moves past them.
  ///
  /// Contiguous pages come in one run, as long as it can be, if everything but their addresses is
  /// the same. Each large page is a run of its own.
  @inline(__always)
  public mutating func forEachRun(within byteCount: UInt64, _ body: (PageRun) -> Void) {
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    var run = EntryRun(at: position)
    while position < end {
      Self.visitRuns(&position, to: end, in: lock.tree, &run, body)
    }
    run.close(at: position, body)
  }

  /// Continues `run` through what one node has from `position` up to `end`, and moves past it.
  @inline(__always)
  private static func visitRuns(
    _ position: inout VirtualAddress, to end: VirtualAddress, in tree: borrowing LockedTree,
    _ run: inout EntryRun, _ body: (PageRun) -> Void
  ) {
    let node = tree.lowestNode(at: position)
    let first = node.index(of: position)
    let level = node.level
    if level == .leafTable {
      let room = end.distance(from: position) / PageSize.fourKiB.byteCount
      let count = min(512 - first, Int(room))
      node.visitRuns(from: first, count, at: position, &run, body)
      position = position.advanced(unchecked: UInt64(count) &* PageSize.fourKiB.byteCount)
    } else {
      run.visit(node[first], level, at: position, body)
      position = min(end, position.last(in: level.span).advanced(unchecked: 1))
    }
  }
}

extension LockedNode {
  /// Continues `run` through the `count` entries from `first`, which is that of `position`. Where
  /// an entry does not belong to it, calls `body` with it and begins another. This is a leaf table.
  @inline(__always)
  fileprivate func visitRuns(
    from first: Int, _ count: Int, at position: VirtualAddress, _ run: inout EntryRun,
    _ body: (PageRun) -> Void
  ) {
    let end = first + count
    let base = position.rawValue &- UInt64(first) &* PageSize.fourKiB.byteCount
    var index = first
    while true {
      var next = run.next
      let stop = min(end, index + run.pagesToEnd)
      while index < stop && self[index].rawValue == next {
        next &+= run.step
        index += 1
      }
      run.advance(to: next)
      if index == end { return }
      let address = VirtualAddress(base &+ UInt64(index) &* PageSize.fourKiB.byteCount)
      run.close(at: address, body)
      run = EntryRun(self[index], .leafTable, at: address)
      index += 1
    }
  }
}

/// Contiguous pages, described by their entries: each differs from the one before by the same
/// number.
private struct EntryRun {
  private let start: VirtualAddress
  private let level: PagingLevel
  private let first: PageTableEntry
  /// What the next entry must be to belong here too.
  private(set) var next: UInt64
  /// By how much entries differ. The address in a leaf that is not present is inverted, and so
  /// counts down.
  let step: UInt64

  /// An empty run before `address`, which nothing continues.
  @inline(__always)
  init(at address: VirtualAddress) {
    self.init(PageTableEntry(rawValue: PageTableEntry.statusBit), .leafTable, at: address)
  }

  /// A run that begins with `entry` of a node of `level`, for the page at `address`.
  @inline(__always)
  init(_ entry: PageTableEntry, _ level: PagingLevel, at address: VirtualAddress) {
    start = address
    self.level = level
    first = entry
    let size = PageSize.fourKiB.byteCount
    step = !entry.isLeaf ? 0 : entry.isPresent ? size : 0 &- size
    next = entry.rawValue &+ step
  }

  @inline(__always)
  mutating func advance(to next: UInt64) { self.next = next }

  /// The number of 4 KiB pages that can follow before the end of all memory, or of a node.
  @inline(__always)
  var pagesToEnd: Int {
    if step == 0 { return 512 }
    if level > .leafTable { return 0 }
    // Where the address wraps to zero, the page before it was the last.
    let address = PageTableEntry(rawValue: next).leafAddress(size: .fourKiB).rawValue
    if address == 0 { return 0 }
    return Int(truncatingIfNeeded: min(512, (PhysicalAddress.limit.rawValue &- address) >> 12))
  }

  /// Continues with `entry` of a node of `level` above the leaf tables, which spans `address`, or
  /// calls `body` and begins another run.
  @inline(__always)
  mutating func visit(
    _ entry: PageTableEntry, _ level: PagingLevel, at address: VirtualAddress,
    _ body: (PageRun) -> Void
  ) {
    if step == 0 && entry.rawValue == next { return }
    close(at: address, body)
    self = EntryRun(entry, level, at: address)
  }

  /// Calls `body` with the pages up to `end`, if there are any.
  @inline(__always)
  func close(at end: VirtualAddress, _ body: (PageRun) -> Void) {
    guard end != start else { return }
    body(
      PageRun(
        start: start, byteCount: end.distance(from: start), entryByteCount: level.span,
        content: content))
  }

  @inline(__always)
  private var content: PageContent {
    guard case .mapped(let address, let property, let ownsFrame) = first.content(level) else {
      return first.content(level)
    }
    // A large page may begin before the run.
    return .mapped(address + start.rawValue % level.span, property, ownsFrame: ownsFrame)
  }
}
