internal import TesseraHardware

extension CursorState {
  /// Calls `body` with what is in the next `byteCount` bytes, in runs that are as long as they can
  /// be, and moves past them. Traps as `unmap` does.
  @inline(__always)
  package mutating func forEachRun(_ byteCount: UInt64, _ body: (PageRun) -> Void) {
    requireInside(byteCount)
    guard byteCount > 0 else { return }
    let end = offset + byteCount
    var run = EntryRun(at: address)
    while offset < end {
      let (node, level) = descend(to: address, level: .leafTable)
      if level == .leafTable {
        let first = index(address, level)
        let count = min(512 - first, Int((end - offset) / PageSize.fourKiB.byteCount))
        node.visitRuns(from: first, count, at: address, &run, body)
        offset += UInt64(count) * PageSize.fourKiB.byteCount
      } else {
        run.visit(node[index(address, level)], level, at: address, body)
        offset = min(end, offset + (level.span - address % level.span))
      }
    }
    run.close(at: address, body)
  }
}

extension PageTableNode {
  /// Goes on with `run` through the `count` entries from `first` on, that of the page at
  /// `position`, and calls `body` with it, and begins another, where an entry does not belong to
  /// it. This is a node of leaves of 4 KiB.
  @inline(__always)
  fileprivate func visitRuns(
    from first: Int, _ count: Int, at position: UInt64, _ run: inout EntryRun,
    _ body: (PageRun) -> Void
  ) {
    let end = first + count
    let base = position &- UInt64(first) &* PageSize.fourKiB.byteCount
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
      let address = base &+ UInt64(index) &* PageSize.fourKiB.byteCount
      run.close(at: address, body)
      run = EntryRun(self[index], .leafTable, at: address)
      index += 1
    }
  }
}

/// Pages that follow each other, told by their entries: each differs from the one before by the
/// same number.
private struct EntryRun {
  private let start: UInt64
  private let level: PagingLevel
  private let first: PageTableEntry
  /// What the next entry must be to belong here too.
  private(set) var next: UInt64
  /// By how much entries differ. The address of a leaf that is not present is inverted, and so goes
  /// down.
  let step: UInt64

  /// No pages, before `address`, with which nothing goes on.
  @inline(__always)
  init(at address: UInt64) {
    self.init(PageTableEntry(rawValue: PageTableEntry.statusBit), .leafTable, at: address)
  }

  /// What `entry` of a node of `level` says of the page at `address`, and those that follow.
  @inline(__always)
  init(_ entry: PageTableEntry, _ level: PagingLevel, at address: UInt64) {
    start = address
    self.level = level
    first = entry
    let size = PageSize.fourKiB.byteCount
    step = !entry.isLeaf ? 0 : entry.isPresent ? size : 0 &- size
    next = entry.rawValue &+ step
  }

  @inline(__always)
  mutating func advance(to next: UInt64) { self.next = next }

  /// How many pages of 4 KiB can follow before the end of all memory, or of a node.
  @inline(__always)
  var pagesToEnd: Int {
    if step == 0 { return 512 }
    if level > .leafTable { return 0 }
    // Where an address is nothing but zeros again, the number before it was the last.
    let address = PageTableEntry(rawValue: next).leafAddress(size: .fourKiB).rawValue
    if address == 0 { return 0 }
    return Int(truncatingIfNeeded: min(512, (PhysicalAddress.limit.rawValue &- address) >> 12))
  }

  /// Goes on with `entry` of a node of `level` above the leaf tables, which spans the page at
  /// `address`, or calls `body` and begins another run.
  @inline(__always)
  mutating func visit(
    _ entry: PageTableEntry, _ level: PagingLevel, at address: UInt64, _ body: (PageRun) -> Void
  ) {
    if step == 0 && entry.rawValue == next { return }
    close(at: address, body)
    self = EntryRun(entry, level, at: address)
  }

  /// Calls `body` with the pages up to `end`, if there are any.
  @inline(__always)
  func close(at end: UInt64, _ body: (PageRun) -> Void) {
    guard end != start else { return }
    body(
      PageRun(
        start: VirtualAddress(start), byteCount: end &- start, entryByteCount: level.span,
        content: content))
  }

  @inline(__always)
  private var content: PageContent {
    guard case .mapped(let address, let property, let ownsFrame) = first.content(level) else {
      return first.content(level)
    }
    // A large page may begin before the run.
    return .mapped(address + start % level.span, property, ownsFrame: ownsFrame)
  }
}
