internal import TesseraFrames
internal import TesseraHardware

extension Cursor {
  /// Splits the large leaves and statuses that lie across the position or across `end`, so that
  /// none reaches out of the range between them.
  ///
  /// Throws `outOfFrames` before anything has changed. While a large user page is split, no
  /// processor has it present; see `collapse`.
  @inline(__always)
  mutating func splitEdges(to end: VirtualAddress) throws(TesseraError) {
    // A leaf table has no large leaves.
    if lock.tree.coveringLevel > .leafTable { try splitLargeEdges(to: end) }
  }

  @inline(never)
  private mutating func splitLargeEdges(to end: VirtualAddress) throws(TesseraError) {
    let last = VirtualAddress(end.rawValue &- 1)
    let isStartCut = lock.tree.hasLeaf(at: position, across: position)
    let isEndCut = lock.tree.hasLeaf(at: last, across: end)
    guard isStartCut || isEndCut else { return }
    var reservation = try reserveNodes(
      lock.tree.nodesToSplit(from: position, isStartCut, to: last, isEndCut))
    if isStartCut {
      Self.split(at: position, across: position, in: lock.tree, &reservation, &lock.flusher)
    }
    if isEndCut && lock.tree.hasLeaf(at: last, across: end) {
      Self.split(at: last, across: end, in: lock.tree, &reservation, &lock.flusher)
    }
  }

  /// Splits the entry of `address`, level by level, until none lies across `border`.
  private static func split(
    at address: VirtualAddress, across border: VirtualAddress, in tree: borrowing LockedTree,
    _ reservation: inout NodeReservation, _ flusher: inout TLBFlusher
  ) {
    var node = tree.lowestNode(at: address)
    while node.level > .leafTable && !border.isAligned(to: node.level.span) {
      let level = node.level
      let index = node.index(of: address)
      let entry = node[index]
      let child = reservation.take(for: level.below)
      let page = address.alignedDown(to: level.span)
      guard entry.isPresent, let size = level.pageSize else {
        child.withNode { LeafOwnership.fill($0, withPartsOf: entry) }
        node = node.link(child, at: index, isUser: !tree.isKernel)
        continue
      }
      if tree.isKernel {
        // The processor may be using the page for what it is doing here: it stays present, and is
        // flushed afterwards.
        child.withNode { LeafOwnership.fill($0, withPartsOf: entry) }
        node = node.link(child, at: index, splitting: entry, isUser: false)
        flusher.enqueue(page, size: size)
      } else {
        // No processor may have translations of both sizes at once.
        let whole = node.exchange(entry.resizing, at: index)
        flusher.enqueue(page, size: size)
        flusher.flushKeepingDeferred(tree.root)
        child.withNode { LeafOwnership.fill($0, withPartsOf: whole) }
        node = node.link(child, at: index, isUser: true)
      }
    }
  }
}

extension LockedTree {
  /// Whether an entry of the tree, that which spans `address`, lies on both sides of `border`.
  @inline(__always)
  fileprivate func hasLeaf(at address: VirtualAddress, across border: VirtualAddress) -> Bool {
    let node = lowestNode(at: address)
    guard node.level > .leafTable, !border.isAligned(to: node.level.span) else { return false }
    return !node[node.index(of: address)].isAbsent
  }

  /// The number of nodes that it takes to split the entries of `first` and of `last`, the first and
  /// the last address of a range, so that none reaches out of it.
  fileprivate func nodesToSplit(
    from first: VirtualAddress, _ isStartCut: Bool, to last: VirtualAddress, _ isEndCut: Bool
  ) -> Int {
    let firstLevel = isStartCut ? lowestNode(at: first).level : .leafTable
    let lastLevel = isEndCut ? lowestNode(at: last).level : .leafTable
    var count = 0
    var level = max(firstLevel, lastLevel)
    while level > .leafTable {
      let cutsFirst = level <= firstLevel && !first.isAligned(to: level.span)
      let cutsLast = level <= lastLevel && last != last.last(in: level.span)
      let isSame = first.alignedDown(to: level.span) == last.alignedDown(to: level.span)
      if cutsFirst || cutsLast { count += cutsFirst && cutsLast && !isSame ? 2 : 1 }
      level = level.below
    }
    return count
  }
}
