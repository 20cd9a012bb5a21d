internal import Synchronization
package import TesseraFrames
package import TesseraHardware

/// A page-table node: a frame of 512 entries that the processor walks, seen without its lock.
///
/// Anyone may read entries through this; only a `LockedNode` writes them. It is a plain reference:
/// it owns no count, so its user knows by other means that the node stays. The processor
/// reads entries at any time and sets accessed and dirty bits, so an entry is written only once
/// what it refers to is complete.
///
/// SAFETY: safe to use, because only `init` makes one, whose caller vouches for the node; and safe
/// to send, because a node is changed under its lock and by atomic operations.
@safe
package struct PageTableNode: @unchecked Sendable {
  private let entries: UnsafeMutablePointer<Atomic<UInt64>>

  /// Refers to the node in the frame at `address`.
  ///
  /// The caller promises that the frame is a node, and stays one for as long as this is used.
  @inline(__always)
  @unsafe package init(at address: PhysicalAddress) {
    unsafe entries = PhysicalMemory.pointer(to: address)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// The physical address of the node's frame.
  @inline(__always)
  package var address: PhysicalAddress {
    // SAFETY: only the pointer's value is used.
    let mapped = unsafe UInt(bitPattern: entries)
    return PhysicalAddress(unchecked: UInt64(mapped &- PhysicalMemory.directMapBase))
  }

  /// The metadata slot of the node's frame.
  @inline(__always)
  package var slot: FrameSlotReference { FrameTable.slot(number: address.frameNumber) }

  /// The entry at `index`, as the processor would read it now.
  @inline(__always)
  package subscript(index: Int) -> PageTableEntry {
    require(index >= 0 && index < 512, "page-table index is not below 512")
    // SAFETY: the index was just checked.
    return unsafe self[unchecked: index]
  }

  /// As `self[index]`, of an index that is known to be below 512.
  @inline(__always)
  @unsafe subscript(unchecked index: Int) -> PageTableEntry {
    // Ordering: acquiring, pairs with the releasing store of `LockedNode`, so that a walk without
    // locks finds the child complete.
    PageTableEntry(rawValue: unsafe uncheckedWord(at: index).pointee.load(ordering: .acquiring))
  }

  /// The word that holds the entry at `index`. Only `LockedNode` writes to it.
  @inline(__always)
  @unsafe func word(at index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    require(index >= 0 && index < 512, "page-table index is not below 512")
    return unsafe uncheckedWord(at: index)
  }

  /// As `word(at:)`, of an index that is known to be one of the node's.
  @inline(__always)
  @unsafe func uncheckedWord(at index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe entries + index
  }
}

extension PageTableNode {
  /// The node's metadata, in its slot.
  @inline(__always)
  var metadata: NodeMetadata {
    // SAFETY: see `storage`.
    _read { yield unsafe storage.pointee }
  }

  /// Where the metadata lies. Fields are written one by one, because a write of the whole would
  /// overwrite the lock, which another processor may be acquiring.
  ///
  /// SAFETY: the frame is a node, so its slot holds this type.
  @inline(__always)
  @unsafe var storage: UnsafeMutablePointer<NodeMetadata> {
    unsafe slot.storage(as: NodeMetadata.self)
  }

  /// The node's level. Constant once the node is in a tree.
  @inline(__always)
  package var level: PagingLevel { PagingLevel(Int(metadata.level)) }

  /// The number of entries that are not absent. Stable only under the lock.
  @inline(__always)
  package var presentCount: Int { Int(metadata.presentCount) }

  /// Whether the node has been removed from its tree. Stable only under the lock.
  @inline(__always)
  package var isDetached: Bool { metadata.flags & NodeMetadata.detachedFlag != 0 }

  /// Whether this is a root, some of whose entries are the kernel's. Constant.
  var isRoot: Bool { metadata.flags & NodeMetadata.rootFlag != 0 }

  /// The next node in a list of unused or deferred nodes. Belongs to the owner of the list.
  package var next: FrameSlotReference? {
    get { metadata.next }
    nonmutating set {
      // SAFETY: only the owner of the list calls this.
      unsafe storage.pointee.next = newValue
    }
  }
}

extension PageTableNode {
  /// The processors of the first group on which the space with this root is active.
  @inline(__always)
  package var activeProcessors: ProcessorSet {
    // Ordering: acquiring, pairs with `setActive`; see there.
    ProcessorSet(rawValue: metadata.activeProcessors.load(ordering: .acquiring))
  }

  /// The number of processors on which the space with this root is active.
  package var activeProcessorCount: Int {
    var count = activeProcessors.count
    for group in 1..<max(2, ProcessorSet.groupCount(of: FrameAllocator.processorCount)) {
      count += ActiveRoots.processors(on: address.rawValue, group: group).count
    }
    return count
  }

  /// Whether the space with this root is active on `processor`.
  package func isActive(on processor: Int) -> Bool {
    ProcessorSet.group(of: processor) == 0
      ? activeProcessors.contains(processor) : ActiveRoots.isActive(address, on: processor)
  }

  /// Whether the space with this root is active on the calling processor.
  package var isActiveHere: Bool { isActive(on: Processor.current) }

  /// Whether the space with this root is active on the calling processor and on no other.
  package var isActiveHereAlone: Bool { isActiveHere && activeProcessorCount == 1 }

  /// Records that the space with this root is, or is no longer, active on `processor`, one of the
  /// first group.
  package func setActive(_ isActive: Bool, on processor: Int) {
    let bit = ProcessorSet(processor).rawValue
    // Ordering: sequentially consistent, pairs with `activeProcessorsAfterWrites`: either the
    // writer of an entry sees this processor and interrupts it, or this processor sees the entry.
    if isActive {
      // Ordering: see above.
      metadata.activeProcessors.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    } else {
      // Ordering: see above.
      metadata.activeProcessors.bitwiseAnd(~bit, ordering: .sequentiallyConsistent)
    }
  }

  /// As `activeProcessors`, for a processor that has written entries: every processor that is not
  /// found in the set, or by its word in `ActiveRoots`, sees them.
  @inline(__always)
  var activeProcessorsAfterWrites: ProcessorSet {
    // Ordering: sequentially consistent, pairs with `setActive` and `ActiveRoots.beginSwitch`. It
    // is an exchange, so that the writes leave the store buffer before the set is read.
    ProcessorSet(
      rawValue: metadata.activeProcessors.bitwiseOr(0, ordering: .sequentiallyConsistent).oldValue)
  }
}

// The lock, which is in the slot. Only `RangeLock`, `NodeLock` and `FreshNode` acquire and release
// it; what they give out for writing is a `LockedNode`.

extension PageTableNode {
  /// Acquires the lock of a node that the caller keeps from being freed, spinning. Interrupts stay
  /// as they are; the caller must not move to another processor while it holds the lock.
  @inline(__always)
  package func acquireLock() {
    if !slot.tryLock() { _ = acquireLockSlow(slot, while: nil) }
  }

  /// Acquires the node's lock, unless a node was detached since `version`, in whose tables a walk
  /// has found this one: then it may be detached, or no node any more. Returns whether the lock is
  /// held.
  package func acquireLock(while version: TreeVersion) -> Bool {
    let slot = slot
    if !slot.tryLock() && !acquireLockSlow(slot, while: version) { return false }
    if version.isLatest { return true }
    slot.unlock()
    return false
  }

  /// As `acquireLock(while:)`, but returns false if the lock is held already.
  @inline(__always)
  package func tryAcquireLock(while version: TreeVersion) -> Bool {
    Self.tryAcquireLock(slot, while: version)
  }

  /// As `tryAcquireLock(while:)` of the node whose slot is `slot`.
  @inline(__always)
  static func tryAcquireLock(_ slot: FrameSlotReference, while version: TreeVersion) -> Bool {
    guard slot.tryLock() else { return false }
    if version.isLatest { return true }
    slot.unlock()
    return false
  }

  /// Acquires the node's lock without waiting. Returns false if it is held already.
  func tryAcquireLock() -> Bool { slot.tryLock() }

  /// Releases the node's lock, which the caller holds.
  @inline(__always)
  package func releaseLock() { slot.unlock() }

  /// Whether the lock is held by anyone. For checks while nothing else runs.
  package var isLocked: Bool { slot.isLocked }

  /// Spins until the lock is acquired and returns true, or returns false once `version` is not the
  /// latest any more.
  ///
  /// Waits with plain loads, so that waiters do not contend for the cache line. Answers what other
  /// processors ask meanwhile, because the owner of the lock may be waiting for that.
  @inline(never)
  private func acquireLockSlow(_ slot: FrameSlotReference, while version: TreeVersion?) -> Bool {
    while !slot.tryLock() {
      if let version, !version.isLatest { return false }
      require(
        FrameAllocator.processorCount > 1,
        """
        a cursor was opened over a page table that another cursor of the only processor holds, \
        or a thread was preempted with its cursor open
        """, address)
      while slot.isLocked {
        if let version, !version.isLatest { return false }
        TLBShootdown.serve()
        Processor.pause()
      }
    }
    return true
  }
}
