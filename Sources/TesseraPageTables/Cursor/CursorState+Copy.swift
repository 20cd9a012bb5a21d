internal import TesseraHardware

extension CursorState {
  /// Makes the next `byteCount` bytes show what `source` shows in its next `byteCount`, sharing the
  /// frames, and moves both past them.
  ///
  /// Pages that programs may write become read-only in both, so that the first write to either
  /// faults. Statuses and device memory are copied as they are. Throws `alreadyMapped` if any page
  /// here is mapped or has a status, and `outOfFrames`. Traps as `unmap` does, for either cursor.
  package mutating func copy(
    from source: inout CursorState, _ byteCount: UInt64
  ) throws(MapError) {
    requireInside(byteCount)
    source.requireInside(byteCount)
    guard byteCount > 0 else { return }
    try requireAbsent(byteCount)
    var reservation = try obtain(nodeCount(toCopy: byteCount, from: source))
    try source.splitEdges(byteCount)
    let end = offset + byteCount
    while offset < end { copyStep(from: &source, to: end, &reservation) }
  }

  /// Throws `alreadyMapped` if any of the next `byteCount` bytes is mapped or has a status.
  private func requireAbsent(_ byteCount: UInt64) throws(MapError) {
    var position = address
    let last = position &+ (byteCount &- 1)
    while true {
      let (node, level) = descend(to: position, level: .leafTable)
      if !node[index(position, level)].isAbsent {
        throw .alreadyMapped(VirtualAddress(position))
      }
      let isEmpty = level == .leafTable && node.presentCount == 0
      let stop = position | ((isEmpty ? level.tableSpan : level.span) &- 1)
      if stop >= last { return }
      position = stop &+ 1
    }
  }

  /// How many nodes are missing here for what `source` shows in its next `byteCount` bytes.
  ///
  /// May be too many by those of leaf tables of which only a part is copied that shows nothing.
  private func nodeCount(
    toCopy byteCount: UInt64, from source: borrowing CursorState
  ) -> Int {
    var count: UInt64 = 0
    var done: UInt64 = 0
    var lastUsed: UInt64?
    while done < byteCount {
      let position = source.address &+ done
      let (node, level) = source.descend(to: position, level: .leafTable)
      let span = level == .leafTable ? level.tableSpan : level.span
      let length = min(byteCount - done, span - position % span)
      let isUsed =
        level == .leafTable ? node.presentCount > 0 : !node[index(position, level)].isAbsent
      if isUsed {
        let first = address &+ done
        let largest = level == .leafTable ? level : source.largestPart(at: position, level, first)
        count += missingNodes(first, first &+ (length &- 1), wholeUpTo: largest, after: lastUsed)
        lastUsed = first &+ (length &- 1)
      }
      done += length
    }
    return Int(count)
  }

  /// The level of the largest entry that may show at `target` what the entry of `level` at
  /// `position`, which is not absent, shows here.
  private func largestPart(
    at position: UInt64, _ level: PagingLevel, _ target: UInt64
  ) -> PagingLevel {
    let node = descend(to: position, level: level).0
    guard node[index(position, level)].isLeaf else { return PagingMode.current.rootLevel }
    return min(level, Self.largestLeaf(whereDifferent: position ^ target))
  }

  /// How many nodes are missing for the bytes from `first` to `last`, as for `prepareNodes`,
  /// besides those that are needed for the bytes before, of which `previous` is the last one.
  private func missingNodes(
    _ first: UInt64, _ last: UInt64, wholeUpTo largest: PagingLevel, after previous: UInt64?
  ) -> UInt64 {
    var count: UInt64 = 0
    var position = first
    while true {
      let level = descend(to: position, level: .leafTable).1
      let stop = min(last, position | ((level == .leafTable ? level.tableSpan : level.span) &- 1))
      count += NodeReservation.nodeCount(
        below: level, from: position, to: stop, wholeUpTo: largest)
      if let previous, position == first { count -= sharedNodes(previous, first, below: level) }
      if stop == last { return count }
      position = stop &+ 1
    }
  }

  /// How many nodes below one of `top` span both addresses.
  private func sharedNodes(_ first: UInt64, _ second: UInt64, below top: PagingLevel) -> UInt64 {
    var count: UInt64 = 0
    var level = top
    while level > .leafTable {
      if first >> level.shift == second >> level.shift { count += 1 }
      level = level.below
    }
    return count
  }
}

extension CursorState {
  /// Copies what one entry of `source` above the leaf tables shows, or some of a leaf table.
  private mutating func copyStep(
    from source: inout CursorState, to end: UInt64, _ reservation: inout NodeReservation
  ) {
    let (from, level) = source.descend(to: source.address, level: .leafTable)
    let first = index(source.address, level)
    guard level == .leafTable else {
      let byteCount = min(end - offset, level.span - source.address % level.span)
      copyLarge(from, first, level, byteCount, &source, &reservation)
      source.offset += byteCount
      return
    }
    let room = 512 - max(first, index(address, .leafTable))
    let count = min(room, Int((end - offset) / PageSize.fourKiB.byteCount))
    if from.presentCount > 0 { copyLeaves(count, from, first, &source, &reservation) }
    offset += UInt64(count) * PageSize.fourKiB.byteCount
    source.offset += UInt64(count) * PageSize.fourKiB.byteCount
  }

  /// Copies `count` entries of a leaf table from `first` on, which are under one leaf table here.
  @inline(__always)
  private mutating func copyLeaves(
    _ count: Int, _ from: PageTableNode, _ first: Int, _ source: inout CursorState,
    _ reservation: inout NodeReservation
  ) {
    var skipped = 0
    while skipped < count && from[first + skipped].isAbsent { skipped += 1 }
    guard skipped < count else { return }
    let node = makeTable(at: address, level: .leafTable, from: &reservation)
    let target = index(address, .leafTable)
    let base = source.address &- UInt64(first) &* PageSize.fourKiB.byteCount
    var index = first + skipped
    var added = 0
    while index < first + count {
      let entry = from[index]
      guard !entry.isAbsent else {
        index &+= 1
        continue
      }
      let end = from.share(index, entry, upTo: first + count, with: node, at: target &- first)
      if entry.ownsFrame && entry.isWritable {
        source.flusher.enqueue(
          base &+ UInt64(truncatingIfNeeded: index) &* PageSize.fourKiB.byteCount,
          pageCount: UInt64(truncatingIfNeeded: end &- index))
      }
      added &+= end &- index
      index = end
    }
    node.presentCount += added
  }

  /// Copies the entry at `first` of a node of `level` above the leaf tables, of which `byteCount`
  /// bytes are to be copied: all of it, unless it is absent.
  ///
  /// Where it lies differently here, or a smaller table is there already, its parts are copied.
  private mutating func copyLarge(
    _ from: PageTableNode, _ first: Int, _ level: PagingLevel, _ byteCount: UInt64,
    _ source: inout CursorState, _ reservation: inout NodeReservation
  ) {
    let entry = from[first]
    guard let size = level.pageSize, entry.isLeaf else {
      guard entry.isStatus else {
        offset += byteCount
        return
      }
      let largest = PagingMode.current.rootLevel
      return fill(byteCount, wholeUpTo: largest, from: &reservation) { _, _ in entry }
    }
    let largest = source.largestPart(at: source.address, level, address)
    if entry.ownsFrame && entry.isWritable { source.flusher.enqueue(source.address, size: size) }
    let leaf = from.protectFromWrites(first, entry)
    fill(byteCount, withPartsOf: leaf, size, wholeUpTo: largest, from: &reservation)
  }
}

extension PageTableNode {
  /// Gives `other`, `distance` places further on, what this node of 4 KiB pages has from `index` up
  /// to `end`, as far as it is like `entry`, which is at `index`. Leaves that own a count get
  /// another one, and lose the right to write. Returns the index of the first that is not like it,
  /// or `end`. Under both locks.
  @inline(__always)
  fileprivate func share(
    _ index: Int, _ entry: PageTableEntry, upTo end: Int, with other: PageTableNode,
    at distance: Int
  ) -> Int {
    guard entry.isLeaf else {
      other.store(entry, at: index &+ distance)
      return index &+ 1
    }
    let alike = LeafClass(
      entry, becoming: entry.ownsFrame ? entry.withoutWriting : entry,
      changing: PageTableEntry.writable)
    let isUsual = entry.isPresent && entry.isWritable && entry.ownsFrame && !entry.mayBecomeDirty
    guard isUsual else {
      return forEach(alike, from: index, to: end) { index, leaf in
        // Before the count, which must not be added again if the processor sets the dirty bit now.
        let isChanged =
          alike.staySame || compareExchange(leaf, alike.changed(leaf), at: index)
        guard isChanged else { return false }
        if leaf.ownsFrame { Mapping.share(leaf, size: .fourKiB) }
        other.store(alike.changed(leaf), at: index &+ distance)
        return true
      }
    }
    return forEach(alike, from: index, to: end) { index, leaf in
      Mapping.share(present: leaf)
      store(alike.changed(leaf), at: index, replacing: leaf)
      other.store(alike.changed(leaf), at: index &+ distance)
      return true
    }
  }

  /// Takes the right to write from the leaf `entry` at `index`, if it owns a count and has the
  /// right, keeping a dirty bit that the processor sets at the last moment. Returns the leaf as it
  /// is then.
  @inline(__always)
  fileprivate func protectFromWrites(_ index: Int, _ entry: PageTableEntry) -> PageTableEntry {
    guard entry.ownsFrame && entry.isWritable else { return entry }
    var old = entry
    while true {
      let new = old.withoutWriting
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

  @inline(__always)
  var withoutWriting: PageTableEntry { PageTableEntry(rawValue: rawValue & ~Self.writable) }
}
