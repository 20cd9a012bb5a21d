internal import Synchronization
internal import TesseraFrames
package import TesseraHardware

/// A node whose lock is held: the only way to write a page-table entry.
///
/// A value of this type is proof of the lock. `RangeLock` makes them for the nodes that it holds,
/// `NodeLock` for a single node, and `FreshNode` for a node that nothing refers to yet. The type
/// cannot escape: its lifetime is bound to the lock that it came from, so no write outlives the
/// lock. Copying one is free; it is the node, its level and its slot, all in registers.
@safe
package struct LockedNode: ~Escapable {
  package let node: PageTableNode
  /// The level of the node. Kept beside it, so that no metadata is read on the way down.
  package let level: PagingLevel
  /// The slot of the node's frame. Kept, because computing it takes five instructions.
  private let slot: FrameSlotReference

  /// The caller holds the node's lock for as long as the result lives, and `level` is its level.
  @inline(__always)
  @_lifetime(immortal)
  @unsafe package init(holding node: PageTableNode, level: PagingLevel) {
    unsafe self.init(holding: node, level: level, slot: node.slot)
  }

  /// As `init(holding:level:)`, where `slot` is the node's.
  @inline(__always)
  @_lifetime(immortal)
  @unsafe init(holding node: PageTableNode, level: PagingLevel, slot: FrameSlotReference) {
    self.node = node
    self.level = level
    self.slot = slot
  }

  /// The entry at `index`.
  @inline(__always)
  package subscript(index: Int) -> PageTableEntry { node[index] }

  /// The index of the entry that spans `address`.
  @inline(__always)
  func index(of address: VirtualAddress) -> Int { address.index(at: level) }

  /// The number of entries that are not absent.
  @inline(__always)
  package var presentCount: Int {
    get {
      // SAFETY: the frame is a node, so its slot holds this type.
      Int(unsafe slot.storage(as: NodeMetadata.self).pointee.presentCount)
    }
    nonmutating set {
      // SAFETY: as above, and the lock is held.
      unsafe slot.storage(as: NodeMetadata.self).pointee.presentCount =
        UInt16(truncatingIfNeeded: newValue)
    }
  }
}

// Writing one entry. These do not change `presentCount`.

extension LockedNode {
  /// Stores `entry` at `index`, where `old` was.
  @inline(__always)
  package func store(
    _ entry: PageTableEntry, at index: Int, replacing old: PageTableEntry = .absent
  ) {
    // SAFETY: `word(at:)` checks the index.
    // Ordering: releasing, pairs with the load in `PageTableNode.subscript` and with the
    // processor's walk: what the entry refers to is complete.
    unsafe node.word(at: index).pointee.store(entry.rawValue, ordering: .releasing)
    noteWrite(at: index, old, entry)
  }

  /// Stores `entry` at `index` and returns what was there, with every accessed and dirty bit that
  /// the processor has set until then.
  @inline(__always)
  func exchange(_ entry: PageTableEntry, at index: Int) -> PageTableEntry {
    // SAFETY: `word(at:)` checks the index.
    // Ordering: acquiring and releasing: releasing as in `store`; acquiring, because the old entry
    // is used by its new owner.
    let old = unsafe node.word(at: index).pointee.exchange(
      entry.rawValue, ordering: .acquiringAndReleasing)
    noteWrite(at: index, PageTableEntry(rawValue: old), entry)
    return PageTableEntry(rawValue: old)
  }

  /// Removes `entry`, which was read at `index`, and does `LeafOwnership.noteRemoval`. Returns it
  /// as it was at the end: with the dirty bit of that moment, if it matters to others.
  @inline(__always)
  func take(_ entry: PageTableEntry, at index: Int) -> PageTableEntry {
    if entry.mayBePagers { return takeNoting(at: index) }
    store(.absent, at: index, replacing: entry)
    return entry
  }

  @inline(never)
  private func takeNoting(at index: Int) -> PageTableEntry {
    let last = exchange(.absent, at: index)
    LeafOwnership.noteRemoval(of: last)
    return last
  }

  /// Stores `new` at `index` if `old` is still there, and returns whether it was. The lock keeps
  /// other processors' software away, but not the processor that sets accessed and dirty bits.
  @inline(__always)
  func compareExchange(_ old: PageTableEntry, _ new: PageTableEntry, at index: Int) -> Bool {
    // SAFETY: `word(at:)` checks the index.
    // Ordering: releasing, as in `store`; acquiring is not needed, because what the entry refers to
    // stays the same.
    let isExchanged = unsafe node.word(at: index).pointee.compareExchange(
      expected: old.rawValue, desired: new.rawValue, successOrdering: .releasing,
      failureOrdering: .relaxed
    ).exchanged
    if isExchanged { noteWrite(at: index, old, new) }
    return isExchanged
  }

  /// Sets `bits` in the entry at `index`, which the processor may be changing too.
  private func insert(_ bits: UInt64, at index: Int) {
    var old = self[index]
    while !compareExchange(old, PageTableEntry(rawValue: old.rawValue | bits), at: index) {
      old = self[index]
    }
  }

  /// Tells a simulated machine that an entry was written.
  @inline(__always)
  private func noteWrite(at index: Int, _ old: PageTableEntry, _ new: PageTableEntry) {
    SimulationHooks.entryWritten(
      at: node.address, index: index, old: old.rawValue, new: new.rawValue)
  }
}

// Writing entries and counting them.

extension LockedNode {
  /// Stores `entry` at `index`, where nothing is mapped.
  @inline(__always)
  func put(_ entry: PageTableEntry, at index: Int) {
    let old = self[index]
    store(entry, at: index)
    if old.isAbsent { presentCount += 1 } else { LeafOwnership.noteRemoval(of: old) }
  }

  /// Stores the next `count` entries that `supply` returns from `first` on, where nothing is
  /// mapped.
  @inline(__always)
  func put(_ count: Int, from first: Int, _ supply: () -> PageTableEntry) {
    requireEntries(count, from: first)
    presentCount += dropStatuses(from: first, count)
    // SAFETY: the index was checked for all of them.
    let words = unsafe node.word(at: first)
    for offset in 0..<count {
      let entry = supply()
      // SAFETY: as above.
      // Ordering: releasing, as in `store`.
      unsafe words[offset].store(entry.rawValue, ordering: .releasing)
      noteWrite(at: first &+ offset, .absent, entry)
    }
  }

  /// Stores what `entry` returns for 0, 1 and so on in up to `count` entries from `first` on, up to
  /// the first that maps something; `first` itself does not. Returns the number stored.
  @inline(__always)
  func fill(_ count: Int, from first: Int, with entry: (UInt64) -> PageTableEntry) -> Int {
    requireEntries(count, from: first)
    var added = 0
    var done = 0
    repeat {
      let old = self[first &+ done]
      if !old.isVacant { break }
      if old.isAbsent { added &+= 1 } else { LeafOwnership.noteRemoval(of: old) }
      store(entry(UInt64(truncatingIfNeeded: done)), at: first &+ done)
      done &+= 1
    } while done < count
    presentCount += added
    return done
  }

  /// Stores `status` in every entry of an empty node.
  func fill(with status: PageTableEntry) {
    for index in 0..<512 { store(status, at: index) }
    presentCount = 512
  }

  /// Removes the entry at `index`, which is not absent. Returns it.
  @discardableResult
  func remove(at index: Int) -> PageTableEntry {
    let last = take(self[index], at: index)
    presentCount -= 1
    return last
  }

  /// Removes every entry, without releasing what it owns. Returns the accessed and dirty bits that
  /// any of them had.
  private func clear() -> UInt64 {
    var found: UInt64 = 0
    for index in 0..<512 { found |= exchange(.absent, at: index).rawValue }
    presentCount = 0
    return found & (PageTableEntry.accessed | PageTableEntry.dirty)
  }

  /// Traps unless `count` entries from `first` on are in the node.
  @inline(__always)
  func requireEntries(_ count: Int, from first: Int) {
    require(
      first >= 0 && first < 512 && count <= 512 - first, "page-table index is not below 512")
  }

  /// Drops what the statuses among the `count` entries from `first` on own, which map nothing.
  /// Returns the number of absent ones.
  @inline(__always)
  private func dropStatuses(from first: Int, _ count: Int) -> Int {
    if presentCount == 0 { return count }
    var absent = 0
    for index in first..<first + count {
      let old = self[index]
      if old.isAbsent { absent += 1 } else { LeafOwnership.noteRemoval(of: old) }
    }
    return absent
  }
}

// Adding and removing nodes.

extension LockedNode {
  /// The node that the entry at `index` of a node above the leaf tables refers to, which the same
  /// lock holds; nil if it refers to none.
  ///
  /// The caller knows that the child meets the locked range, or that nothing refers to this node
  /// yet.
  @inline(__always)
  @_lifetime(copy self)
  func child(at index: Int) -> LockedNode? {
    let entry = self[index]
    // All tables that a lock holds are Tessera's own.
    guard entry.isOwnTable else { return nil }
    // SAFETY: the lock of a node keeps its children, and the range lock holds them.
    return unsafe LockedNode(
      holding: PageTableNode(at: entry.ownTableAddress), level: level.below)
  }

  /// The lowest node that spans `address`, down to `level`: this one or one below it. The address
  /// is in the locked range.
  ///
  /// This is the one descent through locked nodes. `visit` is called with each node below this one,
  /// before an entry of it is read.
  @inline(__always)
  @_lifetime(copy self)
  func descend(
    to address: VirtualAddress, downTo level: PagingLevel = .leafTable,
    _ visit: (PageTableNode, PagingLevel) -> Void = { _, _ in }
  ) -> LockedNode {
    var node = self
    while node.level > level, let child = node.child(at: node.index(of: address)) {
      visit(child.node, child.level)
      node = child
    }
    return node
  }

  /// Makes the entry at `index`, which maps no table, refer to `child`, and returns the child.
  ///
  /// The child is complete and locked before anyone can find it; the lock that holds this node
  /// holds it from here on.
  @discardableResult
  @_lifetime(copy self)
  func link(_ child: consuming FreshNode, at index: Int, isUser: Bool) -> LockedNode {
    let node = child.relinquish()
    let old = self[index]
    store(.table(at: node.address, isUser: isUser), at: index, replacing: old)
    if old.isAbsent { presentCount += 1 }
    // SAFETY: a fresh node is locked, and its lock was given up with it.
    return unsafe LockedNode(holding: node, level: level.below)
  }

  /// As `link(_:at:isUser:)`, where `whole` was read, whose parts `child` has. Accessed and dirty
  /// bits that the processor has set in it since then are set in all parts.
  @discardableResult
  @_lifetime(copy self)
  func link(
    _ child: consuming FreshNode, at index: Int, splitting whole: PageTableEntry, isUser: Bool
  ) -> LockedNode {
    let node = child.relinquish()
    let last = exchange(.table(at: node.address, isUser: isUser), at: index)
    // SAFETY: a fresh node is locked, and its lock was given up with it.
    let parts = unsafe LockedNode(holding: node, level: level.below)
    let late = last.rawValue & ~whole.rawValue
    if late != 0 { for index in 0..<512 { parts.insert(late, at: index) } }
    return parts
  }

  /// Adds the nodes from this one down to `level` that `address` needs, from `reservation`, and
  /// returns the last. A status in the entry moves into them. This is the lowest node that spans
  /// `address`, or of `level`.
  @_lifetime(copy self)
  func addTables(
    at address: VirtualAddress, downTo level: PagingLevel, isUser: Bool,
    from reservation: inout NodeReservation
  ) -> LockedNode {
    var node = self
    while node.level > level {
      let child = reservation.take(for: node.level.below)
      let index = node.index(of: address)
      let old = node[index]
      if old.isStatus { child.withNode { $0.fill(with: old) } }
      node = node.link(child, at: index, isUser: isUser)
    }
    return node
  }

  /// Removes the node that the entry at `index` refers to from the tree, with all nodes below it.
  ///
  /// The lock that holds this node holds all of them, and no longer does afterwards.
  func unlink(at index: Int) -> DetachedNode {
    let entry = self[index]
    remove(at: index)
    return detach(entry)
  }

  /// As `unlink(at:)`, with `leaf` stored instead.
  func unlink(at index: Int, replacingBy leaf: PageTableEntry) -> DetachedNode {
    detach(exchange(leaf, at: index))
  }

  /// As `unlink(at:)`, with `leaf` stored instead, which takes over what the node's entries own.
  /// The pages are present all the time.
  func unlink(at index: Int, collapsingInto leaf: PageTableEntry) -> DetachedNode {
    let child = child(at: index)
    let entry = exchange(leaf, at: index)
    // Only now: until the leaf is there, the processor translates through the child, and sets bits
    // in it that `leaf` may lack.
    let bits = child?.clear() ?? 0
    if bits & ~leaf.rawValue != 0 { insert(bits, at: index) }
    return detach(entry)
  }

  /// As `unlink(at:collapsingInto:)`, with nothing present while `flush` is called, which flushes
  /// everything: so that no processor has pages of both sizes at once.
  func unlink(
    at index: Int, collapsingInto leaf: PageTableEntry, _ flush: () -> Void
  ) -> DetachedNode {
    let child = child(at: index)
    let entry = exchange(leaf.resizing, at: index)
    flush()
    // Nothing translates through the child any more: these are all bits.
    let bits = child?.clear() ?? 0
    store(PageTableEntry(rawValue: leaf.rawValue | bits), at: index, replacing: leaf.resizing)
    return detach(entry)
  }

  /// Marks the node that `entry` referred to, and all below it, as detached, and releases their
  /// locks.
  private func detach(_ entry: PageTableEntry) -> DetachedNode {
    // Before a lock is released: the next to acquire it notices.
    TreeVersion.advance()
    // SAFETY: the range lock holds the node, which nothing refers to any more.
    let node = unsafe PageTableNode(at: entry.tableAddress)
    node.visitSubtree(
      of: level.below,
      leave: { node in
        // SAFETY: as for `node`.
        unsafe node.storage.pointee.flags |= NodeMetadata.detachedFlag
        node.releaseLock()
      })
    return DetachedNode(node)
  }
}
