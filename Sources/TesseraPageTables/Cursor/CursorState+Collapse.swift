internal import TesseraFrames
internal import TesseraHardware

extension CursorState {
  /// Makes large leaves, where it can, of the tables in the next `byteCount` bytes, and moves past
  /// them.
  ///
  /// A table of 512 leaves becomes one leaf if they show 512 pages of memory that follow each
  /// other, from an aligned address on, with the same rights; and if the frames are one large frame
  /// already, or can become one, because nobody else has a share of any of them. The range must
  /// hold the whole table. Returns how many large leaves were made. Fails for nothing, and needs no
  /// memory.
  package mutating func promote(_ byteCount: UInt64) -> Int {
    requireInside(byteCount)
    let end = offset + byteCount
    var made = 0
    while offset < end {
      let path = TablePath(from: covering, coveringLevel, to: address)
      let level = path.lowestLevel
      let isWhole = address % level.tableSpan == 0 && end - offset >= level.tableSpan
      let isPromoted = isWhole && level < coveringLevel && promote(path)
      if isPromoted {
        made += 1
        // The new leaf may be one of 512 in its turn; that is looked at with the last of them.
        promoteAbove(path, &made)
      }
      let isDone = isPromoted || level == .leafTable
      let span = isDone ? level.tableSpan : level.span
      offset = min(end, offset + (span - address % span))
    }
    return made
  }

  /// Makes one leaf of the lowest node of `path`, if it can.
  private mutating func promote(_ path: TablePath) -> Bool {
    let node = path.lowest
    guard let leaf = largeLeaf(of: node, path.lowestLevel) else { return false }
    replace(node, on: path, at: path.lowestLevel, by: leaf)
    return true
  }

  /// The same for the node above, when its last entry has just become a leaf.
  private mutating func promoteAbove(_ path: TablePath, _ made: inout Int) {
    let level = path.lowestLevel.above
    guard level < coveringLevel, level.above.pageSize != nil, path.index(at: level) == 511,
      address % level.tableSpan == level.tableSpan - level.span,
      offset >= level.tableSpan - level.span
    else { return }
    let node = path.node(at: level)
    guard let leaf = largeLeaf(of: node, level) else { return }
    replace(node, on: path, at: level, by: leaf)
    made += 1
  }

  /// Puts `leaf` in the place of `node` of `level` on `path`.
  private mutating func replace(
    _ node: PageTableNode, on path: TablePath, at level: PagingLevel, by leaf: PageTableEntry
  ) {
    let parent = path.node(at: level.above)
    let index = path.index(at: level.above)
    parent.store(leaf, at: index, replacing: parent[index])
    // What the node's entries owned is the leaf's now; the node goes with nothing in it.
    node.clear()
    _ = node.abandon(level)
    flusher.hold(node)
  }

  /// The leaf that shows what all entries of `node` of `level` show, with one count in the place of
  /// theirs; nil if there is none.
  private func largeLeaf(of node: PageTableNode, _ level: PagingLevel) -> PageTableEntry? {
    guard node.presentCount == 512, let size = level.pageSize, let large = level.above.pageSize,
      PagingMode.current.hasPages(of: large), let first = node.uniformLeaf(size, large)
    else { return nil }
    let leaf = LeafTemplate(
      first.property(size: size), size: large, ownsFrame: first.ownsFrame
    ).entry(at: first.leafAddress(size: size))
    guard first.ownsFrame else { return leaf }
    let slot = FrameTable.slot(number: first.leafAddress(size: size).frameNumber)
    if slot.head == slot && slot.kind.size == .fourKiB {
      return size == .fourKiB && slot.mergeIntoCompound(large) ? leaf : nil
    }
    guard slot.head.kind.size >= large else { return nil }
    Mapping.gatherFromParts(leaf, size: large)
    return leaf
  }
}

extension PageTableNode {
  /// The first of 512 leaves of `size` that are alike and show memory that follows each other, from
  /// a multiple of `large` on, with every accessed and dirty bit that one of them has; nil if they
  /// do not.
  func uniformLeaf(_ size: PageSize, _ large: PageSize) -> PageTableEntry? {
    let first = self[0]
    guard first.isLeaf, first.isPresent, first.leafAddress(size: size).isAligned(to: large) else {
      return nil
    }
    let ignored = PageTableEntry.accessed | PageTableEntry.dirty
    var gathered: UInt64 = 0
    for index in 0..<512 {
      let entry = self[index].rawValue
      let expected = first.rawValue &+ UInt64(index) &* size.byteCount
      guard (entry ^ expected) & ~ignored == 0 else { return nil }
      gathered |= entry & ignored
    }
    return PageTableEntry(rawValue: first.rawValue | gathered)
  }

  /// Leaves every entry absent, owned or not. Under the lock.
  func clear() {
    for index in 0..<512 { store(.absent, at: index, replacing: self[index]) }
    presentCount = 0
  }
}
