internal import Synchronization

// Whether a frame was written through mappings that are gone; see `FrameSlot.written`.
extension FrameSlotReference {
  /// Remembers that the frame was written. The caller has a reference, and drops it afterwards.
  package func markWritten() {
    // Ordering: releasing, pairs with `takeWritten`: what was written is there.
    pointer.pointee.written.store(1, ordering: .releasing)
  }

  /// Whether the frame was written.
  package var isWritten: Bool {
    // Ordering: acquiring, pairs with the store in `markWritten`.
    pointer.pointee.written.load(ordering: .acquiring) != 0
  }

  /// Returns whether the frame was written, and forgets it.
  @discardableResult
  package func takeWritten() -> Bool {
    // Ordering: acquiring, pairs with the store in `markWritten`; releasing, so that what the
    // caller did before is not undone by a later one.
    pointer.pointee.written.exchange(0, ordering: .acquiringAndReleasing) != 0
  }

  /// Whether the frame has exactly `count` owners, of which the caller is one.
  package func hasOwners(_ count: UInt64) -> Bool {
    // Ordering: acquiring, pairs with the releasing drops of earlier owners: what they wrote is
    // done, and noted.
    pointer.pointee.referenceCount.load(ordering: .acquiring) == count
  }
}
