internal import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Unmaps everything in the next `byteCount` bytes, statuses too. Returns the number of bytes
  /// that were mapped.
  ///
  /// What was mapped is freed once no processor can reach it. A large page that lies only partly in
  /// the range is split first; throws `outOfFrames` if it cannot be.
  @inline(__always)
  @discardableResult
  public mutating func unmap(_ byteCount: UInt64) throws(TesseraError) -> UInt64 {
    if byteCount == PageSize.fourKiB.byteCount && lock.tree.coveringLevel == .leafTable && !isAtEnd
    {
      return Self.unmapSmallPage(&position, in: lock.tree, &lock.flusher)
    }
    var moved = consume self
    do throws(TesseraError) {
      let unmapped = try moved.unmapRange(byteCount)
      self = moved
      return unmapped
    } catch {
      self = moved
      throw error
    }
  }

  /// Unmaps the page at `position`, whose leaf table is the covering node, and moves past it.
  @inline(__always)
  private static func unmapSmallPage(
    _ position: inout VirtualAddress, in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let node = tree.covering
    let page = position
    let index = node.index(of: page)
    let entry = node[index]
    position = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    if entry.isAbsent { return 0 }
    node.presentCount &-= 1
    if entry.isUsualLeaf {
      node.store(.absent, at: index, replacing: entry)
      return flusher.retireUsual(entry, at: page)
    }
    return flusher.retire(node.take(entry, at: index), at: page, size: .fourKiB)
  }

  /// As `unmap`, wherever the pages are.
  @inline(never)
  private mutating func unmapRange(_ byteCount: UInt64) throws(TesseraError) -> UInt64 {
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return 0 }
    try splitEdges(to: end)
    var unmapped: UInt64 = 0
    while position < end {
      unmapped += Self.unmapStep(&position, to: end, in: lock.tree, &lock.flusher)
    }
    return unmapped
  }

  /// Unmaps what one node has from `position` up to `end`, and moves past it.
  private static func unmapStep(
    _ position: inout VirtualAddress, to end: VirtualAddress, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let path = LockedPath(in: tree, to: position)
    var unmapped: UInt64 = 0
    var level = path.lowestLevel
    if let whole = wholeTable(on: path, to: end, in: tree) {
      let node = path.node(at: whole.above).unlink(at: path.index(at: whole.above))
      unmapped = node.mappedByteCount(of: whole)
      flusher.deferRelease(of: node)
      position = position.advanced(unchecked: whole.tableSpan)
      level = whole.above
    } else if level == .leafTable {
      unmapped = unmapLeaves(path.lowest, &position, to: end, &flusher)
    } else {
      unmapped = unmapEntry(path.lowest, &position, to: end, &flusher)
    }
    detachEmpty(path, from: level, in: tree, &flusher)
    return unmapped
  }

  /// The level of the highest node on `path`, below the covering one, that lies wholly before
  /// `end`.
  private static func wholeTable(
    on path: borrowing LockedPath, to end: VirtualAddress, in tree: borrowing LockedTree
  ) -> PagingLevel? {
    let room = end.distance(from: path.address)
    var level = path.topLevel
    while level > path.lowestLevel {
      level = level.below
      let isWhole = path.address.isAligned(to: level.tableSpan) && room >= level.tableSpan
      if isWhole && tree.canDetach(level) { return level }
    }
    return nil
  }

  /// Detaches the empty nodes of `path`, from `level` upwards.
  private static func detachEmpty(
    _ path: borrowing LockedPath, from level: PagingLevel, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) {
    var level = level
    while level < path.topLevel && tree.canDetach(level) && path.node(at: level).presentCount == 0 {
      let parent = path.node(at: level.above)
      flusher.deferRelease(of: parent.unlink(at: path.index(at: level.above)))
      level = level.above
    }
  }

  /// Unmaps the pages of the leaf table `node` from `position` up to `end`.
  @inline(__always)
  private static func unmapLeaves(
    _ node: LockedNode, _ position: inout VirtualAddress, to end: VirtualAddress,
    _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let first = node.index(of: position)
    let count = min(512 - first, Int(end.distance(from: position) / PageSize.fourKiB.byteCount))
    var page = position
    var removed = 0
    var unmapped: UInt64 = 0
    for index in first..<first + count {
      let entry = node[index]
      if entry.isUsualLeaf {
        node.store(.absent, at: index, replacing: entry)
        removed += 1
        unmapped &+= flusher.retireUsual(entry, at: page)
      } else if !entry.isAbsent {
        removed += 1
        unmapped &+= flusher.retire(node.take(entry, at: index), at: page, size: .fourKiB)
      }
      page = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    }
    node.presentCount -= removed
    position = page
    return unmapped
  }

  /// Unmaps the entry of `position` in `node`, which is above the leaf tables.
  private static func unmapEntry(
    _ node: LockedNode, _ position: inout VirtualAddress, to end: VirtualAddress,
    _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let page = position
    let index = node.index(of: page)
    position = min(end, page.last(in: node.level.span).advanced(unchecked: 1))
    guard !node[index].isAbsent else { return 0 }
    let entry = node.remove(at: index)
    guard let size = node.level.pageSize else { return 0 }
    return flusher.retire(entry, at: page, size: size)
  }
}
