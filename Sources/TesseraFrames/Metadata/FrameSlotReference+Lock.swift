internal import Synchronization

// The lock of a page-table node. It may be acquired for a frame that is a node no more; see
// `FrameSlot.lock`.
extension FrameSlotReference {
  /// Acquires the lock without waiting. Returns false if it is held.
  @inline(__always)
  package func tryLock() -> Bool {
    // Ordering: acquiring, pairs with the releasing store in `unlock`.
    pointer.pointee.lock.exchange(1, ordering: .acquiring) == 0
  }

  /// Releases the lock, which the caller holds.
  @inline(__always)
  package func unlock() {
    // Ordering: releasing, pairs with the exchange in `tryLock`.
    pointer.pointee.lock.store(0, ordering: .releasing)
  }

  /// Whether the lock is held by anyone. A hint, unless nothing else runs.
  @inline(__always)
  package var isLocked: Bool {
    // Ordering: relaxed; the exchange in `tryLock` that follows does the ordering.
    pointer.pointee.lock.load(ordering: .relaxed) != 0
  }
}
