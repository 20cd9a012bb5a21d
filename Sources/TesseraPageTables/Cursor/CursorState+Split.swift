internal import TesseraFrames
internal import TesseraHardware

extension CursorState {
  /// Splits the large leaves and statuses that lie across either end of the next `byteCount` bytes.
  ///
  /// Afterwards no entry reaches across them. Throws `outOfFrames` before anything has changed.
  @inline(__always)
  mutating func splitEdges(_ byteCount: UInt64) throws(MapError) {
    // A leaf table has no large leaves.
    if coveringLevel > .leafTable { try splitLargeEdges(byteCount) }
  }

  @inline(never)
  private mutating func splitLargeEdges(_ byteCount: UInt64) throws(MapError) {
    let end = address &+ byteCount
    let isStartCut = cuts(address, before: false)
    let isEndCut = cuts(end, before: true)
    guard isStartCut || isEndCut else { return }
    let count = nodesToSplit(
      from: address, isStartCut, to: end &- 1, isEndCut)
    var reservation = try obtain(count)
    if isStartCut { split(at: address, cutAt: address, from: &reservation) }
    if isEndCut && cuts(end, before: true) {
      split(at: end &- 1, cutAt: end, from: &reservation)
    }
  }

  /// Whether the entry at `border`, or of the byte before it, lies on both sides of it.
  @inline(__always)
  private func cuts(_ border: UInt64, before: Bool) -> Bool {
    let probe = before ? border &- 1 : border
    let (node, level) = descend(to: probe, level: .leafTable)
    guard level > .leafTable, border % level.span != 0 else { return false }
    return !node[index(probe, level)].isAbsent
  }

  /// How many nodes it takes to split the entries of `first` and of `last`, the first and the last
  /// byte of a range, so that none reaches out of it.
  private func nodesToSplit(
    from first: UInt64, _ isStartCut: Bool, to last: UInt64, _ isEndCut: Bool
  ) -> Int {
    let firstLevel = isStartCut ? descend(to: first, level: .leafTable).1 : .leafTable
    let lastLevel = isEndCut ? descend(to: last, level: .leafTable).1 : .leafTable
    var count = 0
    var level = max(firstLevel, lastLevel)
    while level > .leafTable {
      let cutsFirst = level <= firstLevel && first & (level.span &- 1) != 0
      let cutsLast = level <= lastLevel && ~last & (level.span &- 1) != 0
      let isSame = first >> level.shift == last >> level.shift
      if cutsFirst || cutsLast { count += cutsFirst && cutsLast && !isSame ? 2 : 1 }
      level = level.below
    }
    return count
  }

  /// Splits the entry of `address`, level by level, until none lies across `border`.
  private mutating func split(
    at address: UInt64, cutAt border: UInt64, from reservation: inout NodeReservation
  ) {
    var (node, level) = descend(to: address, level: .leafTable)
    while level > .leafTable && border % level.span != 0 {
      let place = index(address, level)
      let entry = node[place]
      let child = reservation.take(for: level.below)
      child.fill(withPartsOf: entry, level)
      // The child is locked and complete before anyone can find it.
      node.store(.table(at: child.address, isUser: !isKernel), at: place, replacing: entry)
      if entry.isPresent, let size = level.pageSize {
        // Two sizes for one address must not be cached at once.
        flusher.enqueue(address & ~(level.span &- 1), size: size)
      }
      node = child
      level = level.below
    }
  }
}

extension PageTableNode {
  /// Fills a node that nobody else has yet with the 512 parts of `entry` of `level`.
  func fill(withPartsOf entry: PageTableEntry, _ level: PagingLevel) {
    guard entry.isLeaf, let size = level.pageSize, let part = level.below.pageSize else {
      return fill(with: entry)
    }
    let template = LeafTemplate(
      entry.property(size: size), size: part, ownsFrame: entry.ownsFrame)
    if entry.ownsFrame { Mapping.shareAmongParts(entry, size: size) }
    var address = entry.leafAddress(size: size)
    for index in 0..<512 {
      store(template.entry(at: address), at: index)
      address = PhysicalAddress(unchecked: address.rawValue &+ part.byteCount)
    }
    presentCount = 512
  }
}
