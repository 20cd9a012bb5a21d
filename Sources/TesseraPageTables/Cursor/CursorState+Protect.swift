internal import TesseraHardware

extension CursorState {
  /// Applies `change` to every leaf in the next `byteCount` bytes, and moves past them.
  ///
  /// Absent pages stay absent, and statuses as they are. A leaf that lies only partly in the range
  /// is split first. Returns how many bytes are mapped there. Throws `outOfFrames` if a leaf cannot
  /// be split. Traps as `unmap` does.
  package mutating func protect(
    _ byteCount: UInt64, _ change: LeafChange
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
    to end: UInt64, _ change: LeafChange
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
    if node.change(first, entry, change) { flusher.enqueue(position, size: size) }
    return size.byteCount
  }

  /// Changes `count` leaves of a node of 4 KiB pages from `first` on, and moves past them.
  @inline(__always)
  private mutating func protectLeaves(
    _ node: PageTableNode, from first: Int, _ count: Int, _ change: LeafChange
  ) -> UInt64 {
    require(first >= 0 && first < 512 && count <= 512 - first, "a page-table node has 512 entries")
    let base = address &- UInt64(first) &* PageSize.fourKiB.byteCount
    var leafCount: UInt64 = 0
    var index = first
    while index < first + count {
      let entry = node[index]
      guard entry.isLeaf else {
        index &+= 1
        continue
      }
      let alike = change.leaves(like: entry)
      let end = node.changeAll(alike, from: index, to: first + count, entry.mayBecomeDirty)
      let changedCount = UInt64(truncatingIfNeeded: end &- index)
      if entry.owesInvalidation(becoming: alike.changed(entry)) {
        flusher.enqueue(
          base &+ UInt64(truncatingIfNeeded: index) &* PageSize.fourKiB.byteCount,
          pageCount: changedCount)
      }
      leafCount &+= changedCount
      index = end
    }
    offset += UInt64(count) * PageSize.fourKiB.byteCount
    return leafCount &* PageSize.fourKiB.byteCount
  }
}

extension PageTableNode {
  /// Changes the leaves from `index` up to `end` as far as they are `alike`, which the first one
  /// is. Returns the index of the first that is not, or `end`. Under the lock.
  ///
  /// If they `mayBecomeDirty`, the processor may set the dirty bit of one at the last moment, which
  /// must not get lost: that one is not like the others any more, and none may have been changed.
  @inline(__always)
  fileprivate func changeAll(
    _ alike: LeafClass, from index: Int, to end: Int, _ mayBecomeDirty: Bool
  ) -> Int {
    if alike.staySame { return forEach(alike, from: index, to: end) { _, _ in true } }
    if mayBecomeDirty {
      return forEach(alike, from: index, to: end) { index, entry in
        compareExchange(entry, alike.changed(entry), at: index)
      }
    }
    return forEach(alike, from: index, to: end) { index, entry in
      store(alike.changed(entry), at: index, replacing: entry)
      return true
    }
  }

  /// Calls `body` with the leaves from `index` up to `end`, as long as they are `alike` and it
  /// returns true. Returns the index of the first for which that is not so, or `end`.
  @inline(__always)
  func forEach(
    _ alike: LeafClass, from index: Int, to end: Int,
    _ body: (Int, PageTableEntry) -> Bool
  ) -> Int {
    require(index >= 0 && end <= 512, "a page-table node has 512 entries")
    var index = index
    while index < end {
      let entry = self[index]
      guard alike.contains(entry), body(index, entry) else { break }
      index &+= 1
    }
    return index
  }

  /// Applies `change` to the leaf `entry` at `index`. Says whether an invalidation is owed. Under
  /// the lock.
  func change(
    _ index: Int, _ entry: PageTableEntry, _ change: LeafChange
  ) -> Bool {
    var old = entry
    while true {
      let new = change.applied(to: old)
      guard new != old else { return false }
      guard old.mayBecomeDirty else {
        store(new, at: index, replacing: old)
        return old.owesInvalidation(becoming: new)
      }
      if compareExchange(old, new, at: index) { return old.owesInvalidation(becoming: new) }
      old = self[index]
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
