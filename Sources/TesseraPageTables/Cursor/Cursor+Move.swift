internal import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Moves what the next `byteCount` bytes have to as many bytes from `target`, and moves past the
  /// former, which are absent then. The new range is in the range of the cursor too.
  ///
  /// Pages keep their rights, their accessed and dirty bits and their memory, which is not copied;
  /// statuses move too. A large page stays large where `target` is aligned as it is; elsewhere its
  /// parts are mapped. A large page that lies only partly among the bytes is split first.
  ///
  /// Throws `notAligned`; `outOfBounds` if the new range is not in that of the cursor, or has a
  /// page in common with the old one; `alreadyMapped` if a page there is mapped or has a status, or
  /// if the pager pages the space and one of the bytes is a page of a memory object, which stays
  /// where its object has it; and `outOfFrames`.
  public mutating func move(_ byteCount: UInt64, to target: VirtualAddress) throws(TesseraError) {
    let end = checkedEnd(byteCount)
    guard target.isAligned(to: .fourKiB) else { throw .notAligned }
    guard let targetEnd = target.advanced(byChecked: byteCount), target >= lock.tree.start,
      targetEnd <= lock.tree.end, targetEnd <= position || target >= end
    else { throw .outOfBounds }
    guard byteCount > 0 else { return }
    try lock.tree.requireAbsent(from: target, to: targetEnd)
    try requireNoObjects(byteCount)
    var positions = CopyPositions(target: target, source: position)
    var lastUsed: VirtualAddress?
    var reservation = try reserveNodes(
      lock.tree.missingNodeCount(
        toCopy: byteCount, at: positions, from: lock.tree, after: &lastUsed))
    do throws(TesseraError) {
      try splitEdges(to: end)
    } catch {
      reserve.add(&reservation)
      throw error
    }
    while positions.target < targetEnd {
      positions.moveStep(in: lock.tree, targetEnd, &lock.flusher, &reservation)
    }
    // The number is an upper bound.
    reserve.add(&reservation)
    detachMoved(byteCount)
  }

  /// Detaches the nodes that are empty now that everything in the next `byteCount` bytes has moved
  /// away, and moves past them.
  private mutating func detachMoved(_ byteCount: UInt64) {
    do throws(TesseraError) {
      try unmap(byteCount)
    } catch {
      // Nothing is left that could have to be split.
      panic("a page was not moved")
    }
  }
}

extension CopyPositions {
  /// Moves what one entry of `tree` above the leaf tables has, or some of a leaf table, and goes
  /// past it, up to the address `end` of the target.
  fileprivate mutating func moveStep(
    in tree: borrowing LockedTree, _ end: VirtualAddress, _ flusher: inout TLBFlusher,
    _ reservation: inout NodeReservation
  ) {
    let node = tree.lowestNode(at: source)
    let room = end.distance(from: target)
    guard node.level == .leafTable else {
      let byteCount = node.byteCountOfEntry(at: source, upTo: room)
      moveLargeEntry(node, byteCount, in: tree, &flusher, &reservation)
      return advance(by: byteCount)
    }
    let left = 512 - max(node.index(of: source), target.index(at: .leafTable))
    let count = min(left, Int(room / PageSize.fourKiB.byteCount))
    if node.presentCount > 0 { moveSmallEntries(node, count, in: tree, &flusher, &reservation) }
    advance(by: UInt64(count) &* PageSize.fourKiB.byteCount)
  }

  /// Moves `count` entries of the leaf table `node`, which end in one leaf table of the target.
  private func moveSmallEntries(
    _ node: LockedNode, _ count: Int, in tree: borrowing LockedTree, _ flusher: inout TLBFlusher,
    _ reservation: inout NodeReservation
  ) {
    let first = node.index(of: source)
    let stop = first + count
    var index = node.node.firstUsed(from: first, upTo: stop)
    guard index < stop else { return }
    let other = tree.makeTable(at: target, level: .leafTable, from: &reservation)
    let distance = other.index(of: target) &- first
    var moved = 0
    while index < stop {
      defer { index += 1 }
      guard !node[index].isAbsent else { continue }
      // The processor sets no bit of the entry after this.
      let entry = node.exchange(.absent, at: index)
      other.store(entry, at: index &+ distance)
      moved += 1
      guard entry.isLeaf && entry.isPresent else { continue }
      let page = source.advanced(unchecked: UInt64(index &- first) &* PageSize.fourKiB.byteCount)
      flusher.enqueue(page, size: .fourKiB)
    }
    node.presentCount -= moved
    other.presentCount += moved
  }

  /// Moves the entry of `node` above the leaf tables that spans the source, `byteCount` bytes: all
  /// of it, unless it is absent.
  private func moveLargeEntry(
    _ node: LockedNode, _ byteCount: UInt64, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher, _ reservation: inout NodeReservation
  ) {
    let index = node.index(of: source)
    guard !node[index].isAbsent else { return }
    // The processor sets no bit of the entry after this.
    let entry = node.exchange(.absent, at: index)
    node.presentCount -= 1
    let end = target.advanced(unchecked: byteCount)
    guard let size = node.level.pageSize, entry.isLeaf else {
      return tree.fill(
        from: target, to: end, wholeUpTo: PagingMode.current.rootLevel, &reservation
      ) { _, _ in entry }
    }
    let largest = largestPart(of: entry, node.level)
    guard largest == node.level && tree.lowestNode(at: target).level >= largest else {
      // The parts acquire references before that of the whole is released.
      tree.fill(
        from: target, to: end, withPartsOf: entry, size, wholeUpTo: largest, &reservation)
      flusher.retire(entry, at: source, size: size)
      return
    }
    tree.makeTable(at: target, level: largest, from: &reservation)
      .put(entry, at: target.index(at: largest))
    if entry.isPresent { flusher.enqueue(source, size: size) }
  }
}
