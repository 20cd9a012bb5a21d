internal import TesseraHardware

extension CursorState {
  /// Unmaps everything in the next `byteCount` bytes, statuses too, and moves past them.
  ///
  /// What was mapped is let go once no processor can reach it. A leaf that lies only partly in the
  /// range is split first. Returns how many bytes were mapped. Throws `outOfFrames` if a leaf
  /// cannot be split. Traps if fewer bytes are left or they are not whole pages.
  @inline(__always)
  package mutating func unmap(_ byteCount: UInt64) throws(MapError) -> UInt64 {
    if byteCount == PageSize.fourKiB.byteCount && coveringLevel == .leafTable && !isAtEnd {
      return takeLeaf()
    }
    return try unmapAny(byteCount)
  }

  /// Unmaps the page at the position, of a leaf table that is the covering node, and moves past it.
  @inline(__always)
  private mutating func takeLeaf() -> UInt64 {
    let position = address
    let index = index(position, .leafTable)
    let entry = covering[index]
    offset &+= PageSize.fourKiB.byteCount
    if entry.isAbsent { return 0 }
    covering.store(.absent, at: index, replacing: entry)
    covering.presentCount &-= 1
    return release(entry, at: position)
  }

  /// Owes and holds what the leaf `entry` of 4 KiB, which was at `position`, makes necessary.
  /// Returns how many bytes it mapped.
  @inline(__always)
  private mutating func release(_ entry: PageTableEntry, at position: UInt64) -> UInt64 {
    guard entry.isLeaf else { return 0 }
    if entry.isPresent { flusher.enqueue(position, size: .fourKiB) }
    flusher.hold(entry, size: .fourKiB)
    return PageSize.fourKiB.byteCount
  }

  /// As `unmap`, wherever the pages are.
  @inline(never)
  private mutating func unmapAny(_ byteCount: UInt64) throws(MapError) -> UInt64 {
    requireInside(byteCount)
    guard byteCount > 0 else { return 0 }
    let end = offset &+ byteCount
    try splitEdges(byteCount)
    var unmapped: UInt64 = 0
    while offset < end { unmapped += unmapStep(to: end) }
    return unmapped
  }

  /// Unmaps what one node has at the position, up to the offset `end`, and moves past it.
  private mutating func unmapStep(to end: UInt64) -> UInt64 {
    let position = address
    let path = TablePath(from: covering, coveringLevel, to: position)
    if let level = wholeTable(on: path, at: position, end) { return detach(level, path) }
    let level = path.lowestLevel
    let node = path.lowest
    let unmapped: UInt64
    if level == .leafTable {
      unmapped = takeLeaves(node, from: index(position, level), to: end)
    } else {
      unmapped = take(index(position, level), of: node, level, at: position)
      offset = min(end, offset + (level.span - position % level.span))
    }
    detachEmpty(path, from: level)
    return unmapped
  }

  /// The level of the highest node on `path`, below the covering one, that lies wholly in the
  /// range.
  private func wholeTable(
    on path: TablePath, at position: UInt64, _ end: UInt64
  ) -> PagingLevel? {
    var level = coveringLevel
    while level > path.lowestLevel {
      level = level.below
      let isWhole = position % level.tableSpan == 0 && end - offset >= level.tableSpan
      if isWhole && mayDetach(level) { return level }
    }
    return nil
  }

  /// Whether a node of `level` may leave its parent. The kernel's share of a root is for good.
  private func mayDetach(_ level: PagingLevel) -> Bool {
    !isKernel || level.above < PagingMode.current.rootLevel
  }

  /// Takes the node of `level` on `path` out of its tree with all that hangs below it.
  private mutating func detach(_ level: PagingLevel, _ path: TablePath) -> UInt64 {
    let node = path.node(at: level)
    path.node(at: level.above).take(index(address, level.above))
    let unmapped = node.abandon(level)
    flusher.hold(node)
    detachEmpty(path, from: level.above)
    offset += level.tableSpan
    return unmapped
  }

  /// Takes out the nodes of `path` that have no entries, from `level` upwards as far as that goes.
  private mutating func detachEmpty(_ path: TablePath, from level: PagingLevel) {
    var level = level
    while level < coveringLevel && mayDetach(level) {
      let node = path.node(at: level)
      guard node.presentCount == 0 else { return }
      // The position has moved on; any address of the node's span finds its entry.
      path.node(at: level.above).take(path.index(at: level.above))
      _ = node.abandon(level)
      flusher.hold(node)
      level = level.above
    }
  }

  /// Takes the leaves of a node of 4 KiB pages from `first` on, up to the offset `end`.
  @inline(__always)
  private mutating func takeLeaves(
    _ node: PageTableNode, from first: Int, to end: UInt64
  ) -> UInt64 {
    let count = min(512 - first, Int((end - offset) / PageSize.fourKiB.byteCount))
    var position = address
    var taken = 0
    var unmapped: UInt64 = 0
    for index in first..<first + count {
      let entry = node[index]
      if !entry.isAbsent {
        node.store(.absent, at: index, replacing: entry)
        taken += 1
        unmapped &+= release(entry, at: position)
      }
      position &+= PageSize.fourKiB.byteCount
    }
    node.presentCount -= taken
    offset += UInt64(count) * PageSize.fourKiB.byteCount
    return unmapped
  }

  /// Takes entry `index` of `node`, of a level above the leaf tables, which leads to no table.
  private mutating func take(
    _ index: Int, of node: PageTableNode, _ level: PagingLevel, at position: UInt64
  ) -> UInt64 {
    let entry = node[index]
    guard !entry.isAbsent else { return 0 }
    node.take(index)
    guard entry.isLeaf, let size = level.pageSize else { return 0 }
    if entry.isPresent { flusher.enqueue(position, size: size) }
    flusher.hold(entry, size: size)
    return size.byteCount
  }
}

extension PageTableNode {
  /// Leaves the entry at `index`, which is not absent, absent. Under the lock.
  func take(_ index: Int) {
    store(.absent, at: index, replacing: self[index])
    presentCount -= 1
  }

  /// Marks the locked node, and all below it, as taken out of the tree, and lets their locks go.
  ///
  /// The caller has locked them all. Returns how many bytes they map.
  func abandon(_ level: PagingLevel) -> UInt64 {
    var mapped: UInt64 = 0
    if presentCount > 0 {
      for index in 0..<512 {
        let entry = self[index]
        if entry.isLeaf {
          mapped += level.span
        } else if entry.isTable {
          // SAFETY: the caller's locks keep the children.
          mapped += unsafe PageTableNode(at: entry.tableAddress).abandon(level.below)
        }
      }
    }
    markDetached()
    unlock()
    return mapped
  }
}
