internal import Synchronization
package import TesseraHardware

/// The number of frames that have been saturated since start-up.
///
/// Access: atomic.
private let saturatedFrames = Atomic<UInt64>(0)

extension FrameSlotReference {
  /// Makes the caller the only owner of an unused frame.
  ///
  /// Afterwards the count is `inTransition`; the caller initializes the metadata and publishes it.
  ///
  /// - Throws: `inUse`, `unique` or `inTransition`, as the frame is; `unused` if it is free
  ///   in the allocator.
  package func claim() throws(TesseraError) {
    // Ordering: acquiring, pairs with the releasing store of `unused`, so that the new owner sees
    // everything that the last one wrote. Relaxed on failure: only the number is used.
    let (claimed, found) = pointer.pointee.referenceCount.compareExchange(
      expected: ReferenceCount.unused, desired: ReferenceCount.inTransition,
      successOrdering: .acquiring, failureOrdering: .relaxed)
    guard !claimed else { return }
    switch found {
    case ReferenceCount.unique: throw .unique
    case ReferenceCount.inTransition: throw .inTransition
    case ReferenceCount.free: throw .unused
    default: throw .inUse
    }
  }

  /// Adds a reference to a frame of which the caller holds none, and whose last owner may be
  /// dropping it at the same time.
  ///
  /// - Throws: `unused`, `inTransition` or `unique` if the frame is not shared; `notAligned` if it
  ///   is a tail frame.
  package func acquire() throws(TesseraError) {
    var found = count
    while true {
      switch found {
      case ReferenceCount.unused, ReferenceCount.free: throw .unused
      case ReferenceCount.inTransition: throw .inTransition
      case ReferenceCount.unique: throw .unique
      case ReferenceCount.tail: throw .notAligned
      case ReferenceCount.maximum...: return
      default: break
      }
      // Ordering: acquiring, pairs with the releasing store of 1 by the first owner, so that the
      // new owner sees the metadata. Relaxed on failure: the loop tries again.
      let (acquired, now) = pointer.pointee.referenceCount.weakCompareExchange(
        expected: found, desired: found + 1,
        successOrdering: .acquiring, failureOrdering: .relaxed)
      if acquired {
        if found + 1 == ReferenceCount.maximum { noteSaturation() }
        return
      }
      found = now
    }
  }

  /// Adds a reference to a frame of which the caller holds one.
  @inline(__always)
  package func share() {
    // Ordering: relaxed; the caller's own reference keeps the frame in use, and the new owner gets
    // what it needs to see from the caller.
    let old = pointer.pointee.referenceCount.wrappingAdd(1, ordering: .relaxed).oldValue
    if old &- 1 >= ReferenceCount.maximum &- 2 { shareSlow(old) }
  }

  /// Adds `count` references to a frame of which the caller holds one.
  ///
  /// - Precondition: `count` is far below 2^32.
  package func share(adding count: UInt64) {
    // Ordering: relaxed, as for one reference.
    let old = pointer.pointee.referenceCount.wrappingAdd(count, ordering: .relaxed).oldValue
    if old &- 1 >= ReferenceCount.maximum &- 1 &- count { shareSlow(old) }
  }

  /// Drops a reference. Returns whether it was the last; the caller must then `retire` the frame.
  @inline(__always)
  package func drop() -> Bool {
    // Ordering: releasing, so that what this owner wrote happens before the frame is destroyed;
    // acquiring, so that the last owner sees what every other owner wrote.
    let old = pointer.pointee.referenceCount.wrappingSubtract(
      1, ordering: .acquiringAndReleasing
    ).oldValue
    if old == 1 { return true }
    if old &- 2 >= ReferenceCount.maximum &- 2 { dropSlow(old) }
    return false
  }

  /// Turns the only reference of a shared frame into a unique one. Returns false, with nothing
  /// changed, if there are other references.
  package func makeUnique() -> Bool {
    // Ordering: acquiring, pairs with the releasing drops of earlier owners, whose writes the
    // unique owner must see. Relaxed on failure: nothing is read.
    pointer.pointee.referenceCount.compareExchange(
      expected: 1, desired: ReferenceCount.unique,
      successOrdering: .acquiring, failureOrdering: .relaxed
    ).exchanged
  }
}

extension FrameSlotReference {
  /// Whether the reference that the caller holds is the only one.
  package var hasOneOwner: Bool {
    // Ordering: acquiring, pairs with the releasing drops of earlier owners: what they read and
    // wrote is done.
    pointer.pointee.referenceCount.load(ordering: .acquiring) == 1
  }

  package static var saturatedFrameCount: UInt64 {
    // Ordering: relaxed; a statistic.
    saturatedFrames.load(ordering: .relaxed)
  }

  /// Completes `share` for an old count that is about to saturate, has saturated, or is no count.
  @inline(never)
  private func shareSlow(_ old: UInt64) {
    require(
      ReferenceCount.isShared(old) || isJustAboveMaximum(old),
      "shared a frame that has no owner", address)
    if old < ReferenceCount.maximum { noteSaturation() }
    pin()
  }

  /// Completes `drop` for an old count that has saturated or is no count.
  @inline(never)
  private func dropSlow(_ old: UInt64) {
    if !(ReferenceCount.isShared(old) || isJustAboveMaximum(old)) {
      setCount(old)
      panic("dropped a reference to a frame that has no owner", address)
    }
    pin()
  }

  /// Resets the count to the maximum.
  ///
  /// Concurrent additions and subtractions change it by less than the number of processors before
  /// they, too, arrive here.
  private func pin() {
    setCount(ReferenceCount.maximum)
  }

  private func isJustAboveMaximum(_ count: UInt64) -> Bool {
    count &- ReferenceCount.maximum < 1 << 32
  }

  private func noteSaturation() {
    // Ordering: relaxed; a statistic.
    saturatedFrames.wrappingAdd(1, ordering: .relaxed)
  }
}
