internal import TesseraFrames
internal import TesseraHardware

extension Cursor {
  /// Collapses small pages into large ones where that is possible in the next `byteCount` bytes.
  /// Returns the number of large pages made.
  ///
  /// 512 pages become one if they map contiguous, aligned memory with the same rights, and their
  /// frames are one compound frame already or can become one because nothing else refers to them.
  /// The range must contain the whole large page. Never fails and allocates nothing.
  @discardableResult
  public mutating func collapse(_ byteCount: UInt64) -> Int {
    let end = checkedEnd(byteCount)
    var made = 0
    while position < end {
      made += Self.collapseStep(&position, to: end, in: lock.tree, &lock.flusher)
    }
    return made
  }

  /// Collapses the lowest node that spans `position`, if it can be, and moves past it or past its
  /// entry. Returns the number of large pages made.
  private static func collapseStep(
    _ position: inout VirtualAddress, to end: VirtualAddress, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) -> Int {
    let path = LockedPath(in: tree, to: position)
    let level = path.lowestLevel
    let isWhole =
      position.isAligned(to: level.tableSpan)
      && end.distance(from: position) >= level.tableSpan
    var made = 0
    if isWhole && level < path.topLevel && collapse(path, at: level, &flusher) {
      made = 1
      // The new leaf may be the last of 512 that can be collapsed in turn.
      if isLastOfTable(path, in: tree) && collapse(path, at: level.above, &flusher) { made = 2 }
    }
    let span = made > 0 || level == .leafTable ? level.tableSpan : level.span
    position = min(end, position.last(in: span).advanced(unchecked: 1))
    return made
  }

  /// Whether the lowest node of `path` is the last one below a node that lies wholly in the range
  /// and can be collapsed too.
  private static func isLastOfTable(
    _ path: borrowing LockedPath, in tree: borrowing LockedTree
  ) -> Bool {
    let level = path.lowestLevel.above
    guard level < path.topLevel, level.above.pageSize != nil, path.index(at: level) == 511 else {
      return false
    }
    return path.address.alignedDown(to: level.tableSpan) >= tree.start
  }

  /// Replaces the node of `level` on `path` by a large leaf, if it can be. Returns whether it did.
  private static func collapse(
    _ path: borrowing LockedPath, at level: PagingLevel, _ flusher: inout TLBFlusher
  ) -> Bool {
    let node = path.node(at: level)
    guard let leaf = LeafOwnership.collapsedLeaf(of: node) else { return false }
    let parent = path.node(at: level.above)
    flusher.deferRelease(
      of: parent.unlink(at: path.index(at: level.above), collapsingInto: leaf))
    return true
  }
}
