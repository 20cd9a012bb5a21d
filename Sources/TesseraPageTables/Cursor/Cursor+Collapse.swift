internal import TesseraFrames
internal import TesseraHardware

extension Cursor {
  /// Collapses small pages into large ones where that is possible in the next `byteCount` bytes.
  /// Returns the number of large pages made.
  ///
  /// 512 pages become one if they map contiguous, aligned memory with the same rights, and their
  /// frames are one compound frame already or can become one because nothing else refers to them.
  /// The range must contain the whole large page. Never fails and allocates nothing.
  ///
  /// While user pages change their size, no processor has them present: what another processor
  /// accesses there faults once, and succeeds when it is repeated.
  @discardableResult
  public mutating func collapse(_ byteCount: UInt64) -> Int {
    let end = checkedEnd(byteCount)
    let range = position..<end
    var made = 0
    while position < end {
      made += Self.collapseStep(&position, in: range, lock.tree, &lock.flusher)
    }
    return made
  }

  /// Collapses the leaf table that spans `position`, and the node above whose last entry `position`
  /// lies in, if they can be, and moves past the leaf table or the entry. Returns the number of
  /// large pages made.
  ///
  /// A node above the leaf tables is tried at its last entry, when all below it has been collapsed.
  private static func collapseStep(
    _ position: inout VirtualAddress, in range: Range<VirtualAddress>,
    _ tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> Int {
    let path = LockedPath(in: tree, to: position)
    let isLeafTable = path.lowestLevel == .leafTable
    var made = 0
    if isLeafTable && canCollapse(.leafTable, of: path, in: range)
      && collapse(path, at: .leafTable, in: tree, &flusher)
    {
      made = 1
    }
    let upper = isLeafTable ? path.lowestLevel.above : path.lowestLevel
    if upper < path.topLevel && path.index(at: upper) == 511
      && canCollapse(upper, of: path, in: range) && collapse(path, at: upper, in: tree, &flusher)
    {
      made += 1
    }
    let span = isLeafTable ? PagingLevel.leafTable.tableSpan : path.lowestLevel.span
    position = min(range.upperBound, position.last(in: span).advanced(unchecked: 1))
    return made
  }

  /// Whether the node of `level` on `path` is below the covering one, lies wholly in `range`, and
  /// is one that a leaf could take the place of.
  private static func canCollapse(
    _ level: PagingLevel, of path: borrowing LockedPath, in range: Range<VirtualAddress>
  ) -> Bool {
    guard level < path.topLevel, level.above.pageSize != nil else { return false }
    let start = path.address.alignedDown(to: level.tableSpan)
    return start >= range.lowerBound
      && range.upperBound.distance(from: start) >= level.tableSpan
  }

  /// Replaces the node of `level` on `path` by a large leaf, if it can be. Returns whether it did.
  private static func collapse(
    _ path: borrowing LockedPath, at level: PagingLevel, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) -> Bool {
    let node = path.node(at: level)
    guard let leaf = LeafOwnership.collapsedLeaf(of: node) else { return false }
    let parent = path.node(at: level.above)
    let index = path.index(at: level.above)
    if tree.isKernel {
      // The processor may be using these pages for what it is doing here.
      flusher.deferRelease(of: parent.unlink(at: index, collapsingInto: leaf))
    } else {
      flusher.deferRelease(
        ofFlushed: parent.unlink(at: index, collapsingInto: leaf) {
          flusher.flushEverything(tree.root)
        })
    }
    return true
  }
}
