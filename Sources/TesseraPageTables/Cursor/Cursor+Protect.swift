internal import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Gives every mapped page in the next `byteCount` bytes the rights `access`. Returns the number
  /// of bytes that are mapped there.
  ///
  /// Absent pages stay absent. A page that is not mapped and has a property, by `setDemandZero` or
  /// `setPending`, has these rights once it is. A page whose frame a fork has shared becomes
  /// writable only if nothing else refers to the frame any more; otherwise it becomes readable and
  /// `PageProperty.isCopyOnWrite`. Another page that this cursor has unmapped refers to its frame
  /// until the cursor is closed. A large page that lies only partly in the range is split first;
  /// throws `outOfFrames` if it cannot be.
  @discardableResult
  public mutating func protect(
    _ byteCount: UInt64, to access: PageAccess
  ) throws(TesseraError) -> UInt64 {
    try changeLeaves(byteCount, LeafChange(to: access))
  }

  /// Changes every leaf in the next `byteCount` bytes by `edit`. Returns the number of bytes whose
  /// leaves count, as `edit` says.
  @inline(__always)
  mutating func changeLeaves<Edit: LeafEdit>(
    _ byteCount: UInt64, _ edit: Edit
  ) throws(TesseraError) -> UInt64 {
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return 0 }
    try splitEdges(to: end)
    var counted: UInt64 = 0
    while position < end {
      counted += Self.changeStep(edit, &position, to: end, in: lock.tree, &lock.flusher)
    }
    return counted
  }

  /// Changes the leaves that one node has from `position` up to `end`, and moves past them.
  ///
  /// Not inlined, so that its loops have all registers.
  @inline(never)
  private static func changeStep<Edit: LeafEdit>(
    _ edit: Edit, _ position: inout VirtualAddress, to end: VirtualAddress,
    in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let node = tree.lowestNode(at: position)
    guard node.level == .leafTable else {
      return changeLargePage(in: node, edit, &position, to: end, &flusher)
    }
    let first = node.index(of: position)
    let count = min(512 - first, Int(end.distance(from: position) / PageSize.fourKiB.byteCount))
    node.requireEntries(count, from: first)
    let base = position.rawValue &- UInt64(first) &* PageSize.fourKiB.byteCount
    var leafCount: UInt64 = 0
    var index = first
    while index < first + count {
      let entry = node[index]
      guard entry.isLeaf else {
        if entry.isStatusWithProperty { node.apply(edit, toStatusAt: index) }
        index &+= 1
        continue
      }
      let page = base &+ UInt64(truncatingIfNeeded: index) &* PageSize.fourKiB.byteCount
      if edit.givesWriting && entry.isSharedByFork {
        let isCounted = node.apply(
          edit, toLeafAt: index, .fourKiB, VirtualAddress(page), &flusher)
        leafCount &+= isCounted ? 1 : 0
        index &+= 1
        continue
      }
      let alike = edit.change(of: entry).leaves(like: entry)
      let stop = node.apply(alike, from: index, to: first + count, entry.mayBecomeDirty)
      let changedCount = UInt64(truncatingIfNeeded: stop &- index)
      if entry.needsInvalidation(becoming: alike.changed(entry)) {
        flusher.enqueue(VirtualAddress(page), pageCount: changedCount)
      }
      if Edit.countsUnchanged || !alike.isUnchanged { leafCount &+= changedCount }
      index = stop
    }
    position = position.advanced(unchecked: UInt64(count) &* PageSize.fourKiB.byteCount)
    return leafCount &* PageSize.fourKiB.byteCount
  }

  /// Changes the entry of `position` in `node`, which is above the leaf tables, and moves past it.
  private static func changeLargePage<Edit: LeafEdit>(
    in node: LockedNode, _ edit: Edit, _ position: inout VirtualAddress,
    to end: VirtualAddress, _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let index = node.index(of: position)
    let page = position.alignedDown(to: node.level.span)
    position = min(end, page.advanced(unchecked: node.level.span))
    if node[index].isStatusWithProperty { node.apply(edit, toStatusAt: index) }
    guard let size = node.level.pageSize, node[index].isLeaf else { return 0 }
    return node.apply(edit, toLeafAt: index, size, page, &flusher) ? size.byteCount : 0
  }
}

/// What is to become of leaves: the same change for all, or one that depends on the leaf.
protocol LeafEdit {
  /// Whether leaves that are as they should be count too.
  static var countsUnchanged: Bool { get }
  /// Whether leaves may get the right to write.
  var givesWriting: Bool { get }
  /// The change of `leaf`, and of leaves that are like it.
  func change(of leaf: PageTableEntry) -> LeafChange
}

extension LeafChange: LeafEdit {
  static var countsUnchanged: Bool { true }
  @inline(__always)
  func change(of leaf: PageTableEntry) -> LeafChange { self }
}

extension LockedNode {
  /// Applies `alike` to the leaves from `index` up to `end` for as long as they belong to it, as
  /// the first one does. Returns the index of the first that does not, or `end`.
  ///
  /// If they `mayBecomeDirty`, the processor may set the dirty bit of one at the last moment, and
  /// that bit must not be lost: such a leaf no longer belongs to the class, and is left unchanged.
  @inline(__always)
  fileprivate func apply(
    _ alike: LeafClass, from index: Int, to end: Int, _ mayBecomeDirty: Bool
  ) -> Int {
    if alike.isUnchanged { return forEach(alike, from: index, to: end) { _, _ in true } }
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

  /// Calls `body` with the leaves from `index` up to `end` for as long as they belong to `alike`
  /// and it returns true. Returns the index of the first for which that is not so, or `end`.
  @inline(__always)
  func forEach(
    _ alike: LeafClass, from index: Int, to end: Int, _ body: (Int, PageTableEntry) -> Bool
  ) -> Int {
    require(index >= 0 && end <= 512, "page-table index is not below 512")
    var index = index
    while index < end {
      let entry = self[index]
      guard alike.contains(entry), body(index, entry) else { break }
      index &+= 1
    }
    return index
  }

  /// Applies `edit` to the property of the pages of the status at `index`, which has one.
  @inline(never)
  fileprivate func apply<Edit: LeafEdit>(_ edit: Edit, toStatusAt index: Int) {
    let status = self[index]
    store(status.changed(by: edit.change(of: status.leafOfStatus)), at: index, replacing: status)
  }

  /// Applies `edit` to the leaf of `size` at `index`, which maps `page`, and enqueues the flush
  /// that it requires. Returns whether the leaf counts.
  ///
  /// If a fork has shared its frame, the leaf may get the right to write once it is the only owner.
  fileprivate func apply<Edit: LeafEdit>(
    _ edit: Edit, toLeafAt index: Int, _ size: PageSize, _ page: VirtualAddress,
    _ flusher: inout TLBFlusher
  ) -> Bool {
    while true {
      let old = self[index]
      var base = old
      if edit.givesWriting && old.isSharedByFork && LeafOwnership.isOnlyOwner(old, size: size) {
        base = old.withoutFork
      }
      let new = edit.change(of: base).applied(to: base)
      guard new != old else { return Edit.countsUnchanged }
      if !old.mayBecomeDirty {
        store(new, at: index, replacing: old)
      } else if !compareExchange(old, new, at: index) {
        continue
      }
      if old.needsInvalidation(becoming: new) { flusher.enqueue(page, size: size) }
      return true
    }
  }
}

extension PageTableEntry {
  /// The leaf without what a fork has set in it.
  fileprivate var withoutFork: PageTableEntry {
    PageTableEntry(rawValue: rawValue & ~Self.forkMask)
  }

  /// Whether the processor may set this leaf's dirty bit.
  @inline(__always)
  var mayBecomeDirty: Bool {
    rawValue & (Self.present | Self.writable | Self.dirty) == Self.present | Self.writable
  }

  /// Whether a TLB that holds this entry is stale once the entry is `new`.
  ///
  /// Not if this is not present, and not if `new` only adds rights: a processor that lacks them
  /// faults once and walks again (Intel SDM Vol. 3A, "Optional Invalidation").
  @inline(__always)
  func needsInvalidation(becoming new: PageTableEntry) -> Bool {
    guard isPresent else { return false }
    let lost = rawValue & ~new.rawValue & Self.rightsMask
    let forbidden = new.rawValue & ~rawValue & Self.noExecute
    let changed = (rawValue ^ new.rawValue) & Self.meaningMask
    return lost | forbidden | changed != 0
  }

  private static var rightsMask: UInt64 { present | writable | user | accessed | dirty }
  private static var meaningMask: UInt64 { addressMask | cacheMask | global | largePage }
}
