package import TesseraHardware

extension CursorState {
  /// Maps what `template` makes of `address` in the place of the page of `size` at the position,
  /// and moves past it.
  ///
  /// As `map`, but what was mapped there is let go once no processor can reach it. Throws
  /// `notMapped` if the page is not mapped, and `outOfFrames` if a larger leaf must be split and
  /// cannot be.
  package mutating func replace(
    _ address: PhysicalAddress, _ template: PageTableEntry.Template, size: PageSize
  ) throws(MapError) {
    requireInside(size.byteCount)
    let position = self.address
    require(position & (size.byteCount - 1) == 0, "a page is mapped at a multiple of its size")
    let level = PagingLevel(leafOf: size)
    let (found, foundLevel) = descend(to: position, level: level)
    guard found[index(position, foundLevel)].isLeaf else {
      throw .notMapped(VirtualAddress(position))
    }
    try splitEdges(size.byteCount)
    let (node, _) = descend(to: position, level: level)
    let old = node.exchange(template.entry(at: address), at: index(position, level))
    if old.isPresent { flusher.owe(position, size: size) }
    flusher.hold(old, size: size)
    offset &+= size.byteCount
  }

  /// Gives every page in the next `byteCount` bytes the status `payload`, and moves past them.
  ///
  /// Throws `alreadyMapped` if one of them is mapped, and `outOfFrames`. A page that had a status
  /// gets the new one.
  package mutating func mark(_ byteCount: UInt64, _ payload: UInt32) throws(MapError) {
    requireInside(byteCount)
    guard byteCount > 0 else { return }
    let status = PageTableEntry.status(payload)
    var reservation = try prepareNodes(byteCount)
    let end = offset + byteCount
    while offset < end {
      let (node, level) = descend(to: address, level: .leafTable)
      let isWhole = address % level.span == 0 && end - offset >= level.span
      if level == .leafTable || isWhole {
        node.put(status, at: index(address, level))
        offset += level.span
      } else {
        _ = makeTable(at: address, level: level.below, from: &reservation)
      }
    }
  }

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
    try source.splitEdges(byteCount)
    var reservation = try prepareNodes(byteCount)
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
    } else if level > .leafTable, from[first].isLeaf {
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
    guard let size = level.pageSize else { return }
    let entry = from[first]
    let node = makeTable(at: address, level: level, from: &reservation)
    node.put(from.shareLeaf(first, entry, size), at: index(address, level))
    if entry.isCounted && entry.isWritable { source.flusher.owe(source.address, size: size) }
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
