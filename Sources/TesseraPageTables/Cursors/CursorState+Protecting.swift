package import TesseraHardware

extension CursorState {
  /// Applies `change` to every leaf in the next `byteCount` bytes, and moves past them.
  ///
  /// Absent pages stay absent, and statuses as they are. A leaf that lies only partly in the range
  /// is split first. Returns how many bytes are mapped there. Throws `outOfFrames` if a leaf cannot
  /// be split. Traps as `unmap` does.
  package mutating func protect(
    _ byteCount: UInt64, _ change: PageTableEntry.PropertyChange
  ) throws(MapError) -> UInt64 {
    requireInside(byteCount)
    guard byteCount > 0 else { return 0 }
    try splitEdges(byteCount)
    let end = offset + byteCount
    var mapped: UInt64 = 0
    while offset < end { mapped += protectStep(to: end, change) }
    return mapped
  }

  /// Changes what one node has at the position, up to the offset `end`, and moves past it.
  @inline(__always)
  private mutating func protectStep(
    to end: UInt64, _ change: PageTableEntry.PropertyChange
  ) -> UInt64 {
    let (node, level) = descend(to: address, level: .leafTable)
    guard let size = level.pageSize else {
      offset = min(end, offset + (level.span - address % level.span))
      return 0
    }
    let first = index(address, level)
    if level == .leafTable {
      let count = min(512 - first, Int((end - offset) / size.byteCount))
      return protectLeaves(node, from: first, count, change)
    }
    let position = address & ~(level.span &- 1)
    let entry = node[first]
    offset = min(end, (position &+ size.byteCount) &- start)
    guard entry.isLeaf else { return 0 }
    if node.change(first, entry, change) { flusher.owe(position, size: size) }
    return size.byteCount
  }

  /// Changes `count` leaves of a node of 4 KiB pages from `first` on, and moves past them.
  @inline(__always)
  private mutating func protectLeaves(
    _ node: PageTableNode, from first: Int, _ count: Int, _ change: PageTableEntry.PropertyChange
  ) -> UInt64 {
    require(first >= 0 && first < 512 && count <= 512 - first, "a page-table node has 512 entries")
    let position = address
    var leafCount: UInt64 = 0
    var owesEverything = flusher.owesEverything
    for index in first..<first + count {
      let entry = node[index]
      guard entry.isLeaf else { continue }
      leafCount &+= 1
      if entry.isPresent && !entry.mayBecomeDirty {
        let new = change.applied(toPresent: entry)
        if new == entry { continue }
        node.store(new, at: index, replacing: entry)
        if owesEverything || !entry.owesInvalidation(becoming: new) { continue }
      } else if !node.change(index, entry, change) || owesEverything {
        continue
      }
      let distance = UInt64(truncatingIfNeeded: index &- first) &* PageSize.fourKiB.byteCount
      flusher.owe(position &+ distance, size: .fourKiB)
      owesEverything = flusher.owesEverything
    }
    offset += UInt64(count) * PageSize.fourKiB.byteCount
    return leafCount &* PageSize.fourKiB.byteCount
  }
}

extension PageTableNode {
  /// Applies `change` to the leaf `entry` at `index`. Says whether an invalidation is owed. Under
  /// the lock.
  @inline(never)
  func change(
    _ index: Int, _ entry: PageTableEntry, _ change: PageTableEntry.PropertyChange
  ) -> Bool {
    let new = change.applied(to: entry)
    guard new != entry else { return false }
    // The processor may set the dirty bit of a writable page at any time, and it must not get lost.
    if entry.mayBecomeDirty { return changeAtomically(index, change) }
    store(new, at: index, replacing: entry)
    return entry.owesInvalidation(becoming: new)
  }

  @inline(__always)
  private func changeAtomically(
    _ index: Int, _ change: PageTableEntry.PropertyChange
  ) -> Bool {
    while true {
      let old = self[index]
      let new = change.applied(to: old)
      if compareExchange(old, new, at: index) { return old.owesInvalidation(becoming: new) }
    }
  }
}

extension PageTableEntry {
  /// Whether the processor may set this leaf's dirty bit.
  @inline(__always)
  var mayBecomeDirty: Bool {
    rawValue & (Self.present | Self.writable | Self.dirty) == Self.present | Self.writable
  }

  /// Whether a processor that has cached this entry must forget it when it becomes `new`.
  ///
  /// Not if it was not present, and not if it only gains rights: a processor that does not know of
  /// them yet faults once and looks again (Intel SDM Vol. 3A, "Optional Invalidation").
  @inline(__always)
  func owesInvalidation(becoming new: PageTableEntry) -> Bool {
    guard isPresent else { return false }
    let lost = rawValue & ~new.rawValue & Self.rightsMask
    let forbidden = new.rawValue & ~rawValue & Self.noExecute
    let changed = (rawValue ^ new.rawValue) & Self.meaningMask
    return lost | forbidden | changed != 0
  }

  private static var rightsMask: UInt64 { present | writable | user | accessed | dirty }
  private static var meaningMask: UInt64 { addressMask | cacheMask | global | largePage }
}
