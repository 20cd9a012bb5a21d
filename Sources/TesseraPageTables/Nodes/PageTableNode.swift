internal import Synchronization
package import TesseraFrames
package import TesseraHardware

/// A page-table node: a frame of 512 entries that the processor walks.
///
/// This is a way to reach it, not a share of it: who has one knows by other means that the node
/// stays. Software changes entries only under the node's lock; the processor reads them at any
/// time, and sets accessed and dirty bits. So an entry is written only once what it leads to is
/// complete.
///
/// SAFETY: safe to use, because only `init` makes one, whose caller vouches for the node; and safe
/// to send, because a node is changed under its lock, and by atomic operations.
@safe
package struct PageTableNode: @unchecked Sendable {
  private let entries: UnsafeMutablePointer<Atomic<UInt64>>

  /// The caller promises that the frame at `address` is a node, and stays one for as long as this
  /// is used.
  @inline(__always)
  @unsafe package init(at address: PhysicalAddress) {
    unsafe entries = PhysicalMemory.pointer(to: address)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inline(__always)
  package var address: PhysicalAddress {
    // SAFETY: a number; nothing is read through it.
    let visible = unsafe UInt(bitPattern: entries)
    return PhysicalAddress(unchecked: UInt64(visible &- PhysicalMemory.directMapBase))
  }

  @inline(__always)
  package var slot: FrameSlotReference { FrameTable.slot(number: address.frameNumber) }

  /// What the slot of the node holds.
  @inline(__always)
  var metadata: NodeMetadata {
    // SAFETY: see `storage`.
    _read { yield unsafe storage.pointee }
  }

  /// Where that is. Each field is written by itself: to write all of it would be to write the lock,
  /// which others may be taking.
  ///
  /// SAFETY: the frame is a node, so this is what its slot holds.
  @inline(__always)
  @unsafe var storage: UnsafeMutablePointer<NodeMetadata> {
    unsafe slot.storage(as: NodeMetadata.self)
  }
}

extension PageTableNode {
  /// The entry at `index`, as the processor would read it now.
  @inline(__always)
  package subscript(index: Int) -> PageTableEntry {
    require(index >= 0 && index < 512, "a page-table node has 512 entries")
    // SAFETY: the index is in bounds and the node is there.
    // Ordering: acquiring, pairs with the releasing store of the entry, so that a descent that
    // holds no lock finds the child complete.
    return unsafe PageTableEntry(rawValue: entries[index].load(ordering: .acquiring))
  }

  /// Stores `entry` at `index`. Under the lock, or while nobody else has the node.
  @inline(__always)
  package func store(
    _ entry: PageTableEntry, at index: Int, replacing old: PageTableEntry = .absent
  ) {
    require(index >= 0 && index < 512, "a page-table node has 512 entries")
    // SAFETY: the index is in bounds and the node is there.
    // Ordering: releasing, pairs with the load in `subscript` and with the processor's walk: what
    // the entry leads to is complete.
    unsafe entries[index].store(entry.rawValue, ordering: .releasing)
    noteWrite(at: index, old, entry)
  }

  /// Stores `entry` at `index` and returns what was there, with every accessed and dirty bit that
  /// the processor has set until then. Under the lock.
  @inline(__always)
  package func exchange(_ entry: PageTableEntry, at index: Int) -> PageTableEntry {
    require(index >= 0 && index < 512, "a page-table node has 512 entries")
    // SAFETY: the index is in bounds and the node is there.
    // Ordering: acquiring and releasing: releasing as in `store`; acquiring, because what comes out
    // is used by its new owner.
    let old = unsafe entries[index].exchange(entry.rawValue, ordering: .acquiringAndReleasing)
    noteWrite(at: index, PageTableEntry(rawValue: old), entry)
    return PageTableEntry(rawValue: old)
  }

  /// Tells a simulated machine that an entry was written. Nothing on a real one.
  @inline(__always)
  private func noteWrite(at index: Int, _ old: PageTableEntry, _ new: PageTableEntry) {
    Processor.noteEntryWrite(
      at: address, index: index, old: old.rawValue, new: new.rawValue)
  }
}

extension PageTableNode {
  /// The level of the node. Constant.
  @inline(__always)
  package var level: PagingLevel { PagingLevel(Int(metadata.level)) }

  /// Makes a node that nobody else has one of `level`.
  func setLevel(_ level: PagingLevel) {
    // SAFETY: nobody else has the node.
    unsafe storage.pointee.level = UInt8(truncatingIfNeeded: level.number)
  }

  /// How many entries are not absent. Under the lock.
  @inline(__always)
  package var presentCount: Int {
    get { Int(metadata.presentCount) }
    nonmutating set {
      // SAFETY: under the lock.
      unsafe storage.pointee.presentCount = UInt16(truncatingIfNeeded: newValue)
    }
  }

  /// Whether the node has been taken out of its tree. Under the lock.
  @inline(__always)
  package var isDetached: Bool {
    metadata.flags & NodeMetadata.detachedFlag != 0
  }

  /// Whether this is a root, some of whose entries are the kernel's. Constant.
  var isRoot: Bool {
    metadata.flags & NodeMetadata.rootFlag != 0
  }

  package func markDetached() {
    // SAFETY: under the lock.
    unsafe storage.pointee.flags = metadata.flags | NodeMetadata.detachedFlag
  }

  /// The next node in a chain of nodes that their owner keeps together.
  package var next: FrameSlotReference? {
    get { metadata.next }
    nonmutating set {
      // SAFETY: by the owner of the chain.
      unsafe storage.pointee.next = newValue
    }
  }

  /// On which processors the space with this root is active.
  @inline(__always)
  package var activeProcessors: UInt64 {
    // Ordering: acquiring, pairs with `setActive`; see there.
    metadata.activeProcessors.load(ordering: .acquiring)
  }

  /// Whether the space with this root is active on the processor that runs the caller.
  @inline(__always)
  package var isActiveHere: Bool { activeProcessors >> UInt64(Processor.current) & 1 != 0 }

  /// Says that the space with this root is, or is no longer, active on `processor`.
  package func setActive(_ isActive: Bool, on processor: Int) {
    let bit: UInt64 = 1 << UInt64(processor)
    // Ordering: acquiring and releasing, pairs with the load in `activeProcessors`, which comes
    // after the entries are written: either the one who writes sees this processor and tells it, or
    // this processor sees what was written.
    if isActive {
      // Ordering: see above.
      metadata.activeProcessors.bitwiseOr(bit, ordering: .acquiringAndReleasing)
    } else {
      // Ordering: see above.
      metadata.activeProcessors.bitwiseAnd(~bit, ordering: .acquiringAndReleasing)
    }
  }
}

extension PageTableNode {
  /// Takes the node's lock. Interrupts stay as they are; the caller is not moved to another
  /// processor.
  @inline(__always)
  package func lock() {
    // Ordering: acquiring, pairs with the releasing store in `unlock`.
    if metadata.lock.exchange(1, ordering: .acquiring) != 0 { waitAndLock() }
  }

  /// Takes the node's lock, unless the node has been taken out of its tree. Says whether it has it.
  @inline(__always)
  func lockUnlessDetached() -> Bool {
    // SAFETY: found once, for both.
    let metadata = unsafe storage
    // Ordering: acquiring, pairs with the releasing store in `unlock`.
    let isTaken = unsafe metadata.pointee.lock.exchange(1, ordering: .acquiring) != 0
    if isTaken { waitAndLock() }
    if unsafe metadata.pointee.flags & NodeMetadata.detachedFlag == 0 { return true }
    unlock()
    return false
  }

  @inline(__always)
  package func unlock() {
    // Ordering: releasing, pairs with the exchange in `lock`.
    metadata.lock.store(0, ordering: .releasing)
  }

  package var isLocked: Bool {
    // Ordering: relaxed; only for checks made when nothing else runs.
    metadata.lock.load(ordering: .relaxed) != 0
  }

  /// Reads until the lock looks free, so that waiters do not fight over its cache line, and tries
  /// again.
  @inline(never)
  private func waitAndLock() {
    // Ordering: acquiring, pairs with the releasing store in `unlock`.
    while metadata.lock.exchange(1, ordering: .acquiring) != 0 {
      require(
        FrameAllocator.processorCount > 1,
        "a cursor was opened over a table that another one holds, on a machine with one processor",
        address)
      // Ordering: relaxed; the exchange that follows does the ordering.
      while metadata.lock.load(ordering: .relaxed) != 0 { Processor.pause() }
    }
  }
}

extension PageTableNode {
  /// Stores `new` at `index` if `old` is still there. Says whether it was. Under the lock, against
  /// the processor, which may set accessed and dirty bits.
  @inline(__always)
  package func compareExchange(_ old: PageTableEntry, _ new: PageTableEntry, at index: Int) -> Bool
  {
    require(index >= 0 && index < 512, "a page-table node has 512 entries")
    // SAFETY: the index is in bounds and the node is there.
    // Ordering: releasing, as in `store`; acquiring is not needed, because what the entry leads to
    // stays the same.
    let isExchanged = unsafe entries[index].compareExchange(
      expected: old.rawValue, desired: new.rawValue, successOrdering: .releasing,
      failureOrdering: .relaxed
    ).exchanged
    if isExchanged { noteWrite(at: index, old, new) }
    return isExchanged
  }
}
