internal import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Maps in the next `byteCount` bytes what `source` maps in its next ones, for a fork, and moves
  /// both past them. Frames are shared, and become read-only in both, so that the first write to
  /// either faults (copy-on-write). Statuses, device memory, and pages with
  /// `PageProperty.isShared` are copied as they are.
  ///
  /// No later change of rights makes such a page writable, in either space, while its frame has
  /// another owner; `PageProperty.isCopyOnWrite` tells which pages must be copied.
  ///
  /// Throws `alreadyMapped` if a page here is mapped or has a status, or if the pager pages the
  /// other space and one of the pages there is a memory object's, which only `VmSpace.fork` can
  /// copy; and `outOfFrames`. Traps if one cursor is the kernel's and the other is not.
  public mutating func copy(from source: inout Cursor, _ byteCount: UInt64) throws(TesseraError) {
    try source.requireNoObjects(byteCount)
    try fork(from: &source, byteCount)
  }

  /// As `copy`, also for pages of memory objects: this is over a child, in the family of its parent
  /// and at the same addresses.
  package mutating func fork(
    from source: inout Cursor, _ byteCount: UInt64
  ) throws(TesseraError) {
    require(source.isKernel == isKernel, "pages copied between the user half and the kernel's")
    let end = checkedEnd(byteCount)
    let sourceEnd = source.checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    try lock.tree.requireAbsent(from: position, to: end)
    var copier = CopyPositions(target: position, source: source.position)
    var lastUsed: VirtualAddress?
    var reservation = try reserveNodes(
      lock.tree.missingNodeCount(
        toCopy: byteCount, at: copier, from: source.lock.tree, after: &lastUsed))
    do throws(TesseraError) {
      try source.splitEdges(to: sourceEnd)
    } catch {
      reserve.add(&reservation)
      throw error
    }
    while copier.target < end {
      copier.copyStep(
        from: source.lock.tree, to: lock.tree, end, &source.lock.flusher, &reservation)
    }
    // The number is an upper bound.
    reserve.add(&reservation)
    position = end
    source.position = sourceEnd
  }

  /// The number of nodes that are missing to copy the whole range of `source`, which is as long.
  ///
  /// `lastUsed` is the last address before for which nodes were counted, and is updated. Throws
  /// `alreadyMapped` as `copy`.
  func missingNodeCount(
    toCopy source: borrowing Cursor, after lastUsed: inout VirtualAddress?
  ) throws(TesseraError) -> Int {
    try source.requireNoObjects(byteCountLeft)
    try lock.tree.requireAbsent(from: position, to: lock.tree.end)
    return lock.tree.missingNodeCount(
      toCopy: byteCountLeft, at: CopyPositions(target: position, source: source.position),
      from: source.lock.tree, after: &lastUsed)
  }
}

extension Cursor {
  /// Throws `alreadyMapped` if the pager pages the space, and a page of the next `byteCount` bytes
  /// is a memory object's, which stays where the pager knows it.
  func requireNoObjects(_ byteCount: UInt64) throws(TesseraError) {
    if lock.tree.root.pagerNumber == 0 { return }
    try lock.tree.requireEach(from: position, to: checkedEnd(byteCount)) { !$0.mayBeObjects }
  }
}

/// Where a copy has got to in its target and its source.
struct CopyPositions {
  var target: VirtualAddress
  var source: VirtualAddress

  mutating func advance(by byteCount: UInt64) {
    target = target.advanced(unchecked: byteCount)
    source = source.advanced(unchecked: byteCount)
  }

  /// Copies what one entry of `tree` above the leaf tables maps, or some of a leaf table, and moves
  /// past it, up to the address `end` of the target.
  fileprivate mutating func copyStep(
    from tree: borrowing LockedTree, to targetTree: borrowing LockedTree, _ end: VirtualAddress,
    _ flusher: inout TLBFlusher, _ reservation: inout NodeReservation
  ) {
    let node = tree.lowestNode(at: source)
    let first = node.index(of: source)
    let room = end.distance(from: target)
    guard node.level == .leafTable else {
      let byteCount = node.byteCountOfEntry(at: source, upTo: room)
      copyLargeEntry(node, byteCount, to: targetTree, &flusher, &reservation)
      return advance(by: byteCount)
    }
    let left = 512 - max(first, target.index(at: .leafTable))
    let count = min(left, Int(room / PageSize.fourKiB.byteCount))
    defer { advance(by: UInt64(count) &* PageSize.fourKiB.byteCount) }
    var index = first
    let stop = first + count
    guard node.presentCount > 0 else { return }
    // Not by `firstUsed`: a call here takes registers from the loop below.
    while index < stop && node[index].isAbsent { index += 1 }
    guard index < stop else { return }

    let other = targetTree.makeTable(at: target, level: .leafTable, from: &reservation)
    let distance = other.index(of: target) &- first
    let base = source.rawValue &- UInt64(first) &* PageSize.fourKiB.byteCount
    var added = 0
    while index < stop {
      let entry = node[index]
      guard !entry.isAbsent else {
        index &+= 1
        continue
      }
      let next = node.share(index, entry, upTo: stop, with: other, at: distance)
      if entry.losesWritingByFork {
        let page = base &+ UInt64(truncatingIfNeeded: index) &* PageSize.fourKiB.byteCount
        flusher.enqueue(
          VirtualAddress(page), pageCount: UInt64(truncatingIfNeeded: next &- index))
      }
      added &+= next &- index
      index = next
    }
    other.presentCount += added
  }

  /// Copies the entry of `node` above the leaf tables that spans the source, and copies `byteCount`
  /// bytes: all of it, unless it is absent.
  ///
  /// Where the target is aligned less, or has a smaller table already, its parts are copied.
  private func copyLargeEntry(
    _ node: LockedNode, _ byteCount: UInt64, to targetTree: borrowing LockedTree,
    _ flusher: inout TLBFlusher, _ reservation: inout NodeReservation
  ) {
    let index = node.index(of: source)
    let entry = node[index]
    let end = target.advanced(unchecked: byteCount)
    guard let size = node.level.pageSize, entry.isLeaf else {
      guard entry.isStatus else { return }
      return targetTree.fill(
        from: target, to: end, wholeUpTo: PagingMode.current.rootLevel, &reservation
      ) { _, _ in entry }
    }
    let largest = largestPart(of: entry, node.level)
    if entry.losesWritingByFork { flusher.enqueue(source, size: size) }
    let leaf = node.markForked(index, entry)
    targetTree.fill(
      from: target, to: end, withPartsOf: leaf, size, wholeUpTo: largest, &reservation)
  }

  /// The level of the largest entry that can map at the target what `entry` of `level`, which is
  /// not absent, maps at the source.
  func largestPart(of entry: PageTableEntry, _ level: PagingLevel) -> PagingLevel {
    guard entry.isLeaf else { return PagingMode.current.rootLevel }
    let offset = PhysicalAddress(unchecked: source.rawValue & (PageSize.oneGiB.byteCount - 1))
    return min(level, PagingLevel(largestLeafMapping: target, to: offset))
  }
}

extension LockedTree {
  /// Throws `alreadyMapped` if any page from `start` up to `end` is mapped or has a status.
  func requireAbsent(
    from start: VirtualAddress, to end: VirtualAddress
  ) throws(TesseraError) {
    try requireEach(from: start, to: end) { $0.isAbsent }
  }

  /// Throws `alreadyMapped` if `isAllowed` returns false for an entry of the pages from `start` up
  /// to `end`.
  @inline(__always)
  func requireEach(
    from start: VirtualAddress, to end: VirtualAddress, _ isAllowed: (PageTableEntry) -> Bool
  ) throws(TesseraError) {
    var position = start
    while position < end {
      let node = lowestNode(at: position)
      guard isAllowed(node[node.index(of: position)]) else { throw .alreadyMapped(position) }
      position = position.advanced(
        unchecked: node.byteCountOfEntry(at: position, upTo: end.distance(from: position)))
    }
  }

  /// The number of nodes that are missing here for what `source` maps in the `byteCount` bytes from
  /// `positions`, besides those that the addresses up to `lastUsed` need, which is updated.
  ///
  /// May overestimate: a leaf table counts even if the part of it that is copied is empty.
  func missingNodeCount(
    toCopy byteCount: UInt64, at positions: CopyPositions, from source: borrowing LockedTree,
    after lastUsed: inout VirtualAddress?
  ) -> Int {
    var count: UInt64 = 0
    var at = positions
    let end = positions.target.advanced(unchecked: byteCount)
    while at.target < end {
      let node = source.lowestNode(at: at.source)
      let isLeafTable = node.level == .leafTable
      let room = end.distance(from: at.target)
      let length =
        isLeafTable
        ? min(room, at.source.last(in: node.level.tableSpan).distance(from: at.source) &+ 1)
        : node.byteCountOfEntry(at: at.source, upTo: room)
      let entry = node[node.index(of: at.source)]
      if isLeafTable ? node.presentCount > 0 : !entry.isAbsent {
        let largest = isLeafTable ? node.level : at.largestPart(of: entry, node.level)
        let last = at.target.advanced(unchecked: length &- 1)
        count += missingNodeCount(from: at.target, to: last, wholeUpTo: largest, after: lastUsed)
        lastUsed = last
      }
      at.advance(by: length)
    }
    return Int(count)
  }

  /// The number of nodes that are missing for the addresses from `first` to `last`, besides those
  /// that the addresses before need, of which `previous` is the last.
  private func missingNodeCount(
    from first: VirtualAddress, to last: VirtualAddress, wholeUpTo largest: PagingLevel,
    after previous: VirtualAddress?
  ) -> UInt64 {
    var count: UInt64 = 0
    var position = first
    while true {
      let level = lowestNode(at: position).level
      let stop = min(last, position.last(in: level == .leafTable ? level.tableSpan : level.span))
      count += NodeReservation.nodeCount(
        below: level, from: position, to: stop, wholeUpTo: largest)
      if let previous, position == first {
        count -= Self.sharedNodeCount(previous, first, below: level)
      }
      if stop == last { return count }
      position = stop.advanced(unchecked: 1)
    }
  }

  /// The number of nodes below one of `top` that span both addresses.
  private static func sharedNodeCount(
    _ first: VirtualAddress, _ second: VirtualAddress, below top: PagingLevel
  ) -> UInt64 {
    var count: UInt64 = 0
    var level = top
    while level > .leafTable {
      if first.alignedDown(to: level.span) == second.alignedDown(to: level.span) { count += 1 }
      level = level.below
    }
    return count
  }
}

extension LockedNode {
  /// The number of bytes from `address` to the end of what its entry spans; if that is absent, to
  /// the end of what it and the absent ones after it span. No more than `room`.
  func byteCountOfEntry(at address: VirtualAddress, upTo room: UInt64) -> UInt64 {
    if presentCount == 0 {
      return min(room, address.last(in: level.tableSpan).distance(from: address) &+ 1)
    }
    let index = index(of: address)
    let count = address.last(in: level.span).distance(from: address) &+ 1
    if count >= room || !self[index].isAbsent { return min(room, count) }
    let others = (room &- count &+ level.span &- 1) >> level.shift
    let end = min(512, index &+ 1 &+ Int(others))
    let next = node.firstUsed(from: index &+ 1, upTo: end)
    return min(room, count &+ UInt64(next &- index &- 1) << level.shift)
  }

  /// Stores in `other`, `distance` entries further on, what this leaf table has from `index` up to
  /// `end`, for as long as it is like `entry`, which is at `index`. Leaves that own a frame acquire
  /// another reference, and lose the right to write. Returns the index of the first that is not
  /// like it, or `end`.
  @inline(__always)
  fileprivate func share(
    _ index: Int, _ entry: PageTableEntry, upTo end: Int, with other: LockedNode, at distance: Int
  ) -> Int {
    guard entry.isLeaf else {
      LeafOwnership.share(status: entry)
      other.store(entry, at: index &+ distance)
      return index &+ 1
    }
    let alike = LeafClass(
      entry, becoming: entry.sharedByFork,
      changing: PageTableEntry.writable | PageTableEntry.forkMask)
    let isUsual = entry.isPresent && entry.losesWritingByFork && !entry.mayBecomeDirty
    guard isUsual else {
      return forEach(alike, from: index, to: end) { index, leaf in
        // Before the reference, which must not be acquired twice if the processor sets the dirty
        // bit now.
        let isChanged =
          alike.isUnchanged || compareExchange(leaf, alike.changed(leaf), at: index)
        guard isChanged else { return false }
        if leaf.ownsFrame { LeafOwnership.share(leaf, size: .fourKiB) }
        other.store(alike.changed(leaf), at: index &+ distance)
        return true
      }
    }
    return forEach(alike, from: index, to: end) { index, leaf in
      LeafOwnership.share(present: leaf)
      store(alike.changed(leaf), at: index, replacing: leaf)
      other.store(alike.changed(leaf), at: index &+ distance)
      return true
    }
  }

  /// Makes of the leaf `entry` at `index` what a fork leaves of it, keeping the accessed and dirty
  /// bits that the processor sets at the last moment. Returns the leaf as it is then.
  fileprivate func markForked(_ index: Int, _ entry: PageTableEntry) -> PageTableEntry {
    var old = entry
    while true {
      let new = old.sharedByFork
      if new == old || compareExchange(old, new, at: index) { return new }
      old = self[index]
    }
  }
}

extension PageTableEntry {
  @inline(__always)
  fileprivate var isWritable: Bool { rawValue & Self.writable != 0 }

  /// Whether a fork withholds the right to write, which the leaf has.
  @inline(__always)
  fileprivate var losesWritingByFork: Bool {
    rawValue & (Self.ownsFrameBit | Self.writable | Self.shared)
      == Self.ownsFrameBit | Self.writable
  }

  /// What a fork leaves of the leaf: if it owns a frame, that is shared, and the right to write is
  /// withheld from now on, unless the page is one that both write. A page that was not writable
  /// needs the mark too: it may become so.
  @inline(__always)
  fileprivate var sharedByFork: PageTableEntry {
    guard rawValue & (Self.ownsFrameBit | Self.shared) == Self.ownsFrameBit else { return self }
    let mark = isWritable || !isPresent ? Self.forkMask : Self.sharedByForkBit
    return PageTableEntry(rawValue: rawValue & ~Self.writable | mark)
  }
}
