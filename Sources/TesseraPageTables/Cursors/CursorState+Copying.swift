internal import TesseraHardware

extension CursorState {
  /// Makes the next `byteCount` bytes show what `source` shows in its next `byteCount`, sharing the
  /// frames, and moves both past them.
  ///
  /// Pages that programs may write become read-only in both, so that the first write to either
  /// faults. Statuses and device memory are copied as they are. The range must be vacant here:
  /// throws
  /// `alreadyMapped` if it is not, and `outOfFrames`. Traps as `unmap` does, for either cursor.
  package mutating func copy(
    from source: inout CursorState, _ byteCount: UInt64
  ) throws(MapError) {
    requireInside(byteCount)
    source.requireInside(byteCount)
    guard byteCount > 0 else { return }
    try splitForCopy(&source, byteCount)
    try requireVacant(byteCount)
    // A table of the source may lie across two here.
    var reservation = try obtain(
      2 * source.tableCount(byteCount) + coveringLevel.number + source.coveringLevel.number)
    let end = offset + byteCount
    while offset < end { copyStep(from: &source, to: end, &reservation) }
  }

  private mutating func copyStep(
    from source: inout CursorState, to end: UInt64, _ reservation: inout NodeReservation
  ) {
    let (from, level) = source.descend(to: source.address, level: .leafTable)
    let size = level.pageSize ?? .fourKiB
    let first = index(source.address, level)
    let step = level.span - source.address % level.span
    let room = 512 - index(address, level)
    let count =
      level == .leafTable
      ? min(min(512 - first, room), Int((end - offset) / size.byteCount)) : 1
    if level == .leafTable && from.presentCount > 0 {
      copyLeaves(count, from, first, &source, &reservation)
    } else if level > .leafTable, !from[first].isAbsent {
      copyLarge(from, first, level, &source, &reservation)
    }
    let moved = level == .leafTable ? UInt64(count) * size.byteCount : min(step, end - offset)
    offset += moved
    source.offset += moved
  }

  @inline(__always)
  private mutating func copyLeaves(
    _ count: Int, _ from: PageTableNode, _ first: Int, _ source: inout CursorState,
    _ reservation: inout NodeReservation
  ) {
    let node = makeTable(at: address, level: .leafTable, from: &reservation)
    let target = index(address, .leafTable)
    var position = source.address
    var added = 0
    for offset in 0..<count {
      let entry = from[first + offset]
      if !entry.isAbsent {
        if node[target + offset].isAbsent { added += 1 }
        node.store(from.shareLeaf(first + offset, entry, .fourKiB), at: target + offset)
        if entry.isCounted && entry.isWritable { source.flusher.owe(position, size: .fourKiB) }
      }
      position &+= PageSize.fourKiB.byteCount
    }
    node.presentCount += added
  }

  private mutating func copyLarge(
    _ from: PageTableNode, _ first: Int, _ level: PagingLevel, _ source: inout CursorState,
    _ reservation: inout NodeReservation
  ) {
    let entry = from[first]
    let node = makeTable(at: address, level: level, from: &reservation)
    guard entry.isLeaf, let size = level.pageSize else {
      return node.put(entry, at: index(address, level))
    }
    node.put(from.shareLeaf(first, entry, size), at: index(address, level))
    if entry.isCounted && entry.isWritable { source.flusher.owe(source.address, size: size) }
  }
}

extension CursorState {
  /// How many tables below the covering node meet the next `byteCount` bytes.
  private func tableCount(_ byteCount: UInt64) -> Int {
    var count = 0
    var moved: UInt64 = 0
    while moved < byteCount {
      let position = address &+ moved
      let path = TablePath(from: covering, coveringLevel, to: position)
      path.forEachBelow { _, span in
        if moved == 0 || position % span == 0 { count += 1 }
      }
      moved = path.endOfLowest(position) &- address
    }
    return count
  }

  /// Splits the large leaves and statuses of `source` that cannot be copied whole: those that lie
  /// across an end of the next `byteCount` bytes, and those for which there is no place of their
  /// size here. Throws `outOfFrames` before anything has changed.
  private mutating func splitForCopy(
    _ source: inout CursorState, _ byteCount: UInt64
  ) throws(MapError) {
    try source.splitEdges(byteCount)
    var count = 0
    forEachMisfit(source, byteCount) { _, level in
      count += level.number == 2 ? 1 : 513
    }
    guard count > 0 else { return }
    var reservation = try obtain(count)
    // Each split makes the next misfit one level smaller, so this ends.
    while let misfit = firstMisfit(source, byteCount) {
      source.splitEntry(at: misfit, from: &reservation)
    }
  }

  private func firstMisfit(_ source: borrowing CursorState, _ byteCount: UInt64) -> UInt64? {
    var first: UInt64?
    forEachMisfit(source, byteCount) { position, _ in
      if first == nil { first = position }
    }
    return first
  }

  /// Calls `body` for each large entry of `source`, of the level that it is given, for which there
  /// is no place of its size here.
  private func forEachMisfit(
    _ source: borrowing CursorState, _ byteCount: UInt64, _ body: (UInt64, PagingLevel) -> Void
  ) {
    var moved: UInt64 = 0
    while moved < byteCount {
      let position = source.address &+ moved
      let (node, level) = source.descend(to: position, level: .leafTable)
      let span = level == .leafTable ? level.tableSpan : level.span
      if level > .leafTable, !node[index(position, level)].isAbsent {
        let target = address &+ moved
        let place = descend(to: target, level: .leafTable).1
        if target % level.span != 0 || place < level { body(position, level) }
      }
      moved += span - position % span
    }
  }
}

extension PageTableNode {
  /// What a second node is to have for `entry` at `index`, which loses the right to write if it
  /// owns a count. Adds that count. Under the lock.
  @inline(__always)
  func shareLeaf(
    _ index: Int, _ entry: PageTableEntry, _ size: PageSize
  ) -> PageTableEntry {
    guard entry.isCounted else { return entry }
    Mapping.share(entry, size: size)
    guard entry.isWritable else { return entry }
    return protectFromWrites(index, entry)
  }

  /// Takes the right to write from the leaf `entry` at `index`, keeping a dirty bit that the
  /// processor sets at the last moment. Returns the leaf as it is then.
  @inline(__always)
  private func protectFromWrites(_ index: Int, _ entry: PageTableEntry) -> PageTableEntry {
    var old = entry
    while true {
      let new = PageTableEntry(rawValue: old.rawValue & ~PageTableEntry.writable)
      if !old.mayBecomeDirty {
        store(new, at: index, replacing: old)
        return new
      }
      if compareExchange(old, new, at: index) { return new }
      old = self[index]
    }
  }
}

extension PageTableEntry {
  @inline(__always)
  var isWritable: Bool { rawValue & Self.writable != 0 }
}
