internal import Synchronization
internal import TesseraHardware

/// How many frames have been saturated since start-up.
///
/// Access: atomic.
private let saturatedFrames = Atomic<UInt64>(0)

extension FrameSlotReference {
  /// Makes the caller the only one who has this frame, which was nobody's.
  ///
  /// On return the count is `busy`; the caller goes on with `publish`. Throws `inUse`, `unique` or
  /// `busy` for what it found instead, and `unused` if the allocator has the frame.
  package func claim() throws(FrameError) {
    // SAFETY: slots live for ever.
    // Ordering: acquiring, pairs with the releasing store of `unused`, so that the new owner sees
    // everything that the last one wrote. Relaxed if it fails: only the number is looked at.
    let (claimed, found) = unsafe counter.pointee.referenceCount.compareExchange(
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

  /// Adds an owner to a frame that somebody else may be dropping at the same time.
  ///
  /// Throws `unused`, `busy` or `unique` if the frame has no owner that shares it.
  package func acquire() throws(FrameError) {
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
      // SAFETY: slots live for ever.
      // Ordering: acquiring, pairs with the releasing store of 1 by the first owner, so that the
      // new owner sees the metadata. Relaxed if it fails: the loop looks again.
      let (taken, now) = unsafe counter.pointee.referenceCount.weakCompareExchange(
        expected: found, desired: found + 1,
        successOrdering: .acquiring, failureOrdering: .relaxed)
      if taken {
        if found + 1 == ReferenceCount.maximum { noteSaturation() }
        return
      }
      found = now
    }
  }

  /// Adds an owner to a frame of which the caller holds a count.
  @inline(__always)
  package func share() {
    // SAFETY: slots live for ever.
    // Ordering: relaxed; the caller's own count keeps the frame in use, and the new owner gets what
    // it needs to see from the caller.
    let old = unsafe counter.pointee.referenceCount.wrappingAdd(1, ordering: .relaxed).oldValue
    if old &- 1 >= ReferenceCount.maximum &- 2 { shareSlow(old) }
  }

  /// Adds `count` owners to a frame of which the caller holds a count. They are few.
  package func share(adding count: UInt64) {
    // SAFETY: slots live for ever.
    // Ordering: relaxed, as for one owner.
    let old = unsafe counter.pointee.referenceCount.wrappingAdd(count, ordering: .relaxed).oldValue
    if old &- 1 >= ReferenceCount.maximum &- 1 &- count { shareSlow(old) }
  }

  /// Takes away an owner, and says whether it was the last one, who must now `retire` the frame.
  @inline(__always)
  package func drop() -> Bool {
    // SAFETY: slots live for ever.
    // Ordering: releasing, so that what this owner wrote comes before the frame is unmade;
    // acquiring, so that the last owner sees what every other owner wrote.
    let old = unsafe counter.pointee.referenceCount.wrappingSubtract(
      1, ordering: .acquiringAndReleasing
    ).oldValue
    if old == 1 { return true }
    if old &- 2 >= ReferenceCount.maximum &- 2 { dropSlow(old) }
    return false
  }

  /// Turns the only count of a shared frame into `unique`. Says whether it was the only one.
  package func makeUnique() -> Bool {
    // SAFETY: slots live for ever.
    // Ordering: acquiring, pairs with the releases of the owners that are gone, whose writes the
    // unique owner must see. Relaxed if it fails: nothing is read.
    unsafe counter.pointee.referenceCount.compareExchange(
      expected: 1, desired: ReferenceCount.unique,
      successOrdering: .acquiring, failureOrdering: .relaxed
    ).exchanged
  }
}

extension FrameSlotReference {
  package static var saturatedFrameCount: UInt64 {
    // Ordering: relaxed; a statistic.
    saturatedFrames.load(ordering: .relaxed)
  }

  /// Answers an old count that `share` must not simply add to.
  @inline(never)
  private func shareSlow(_ old: UInt64) {
    require(
      ReferenceCount.isShared(old) || isJustAboveMaximum(old),
      "shared a frame that has no owner", address)
    if old == ReferenceCount.maximum - 1 { noteSaturation() }
    pin()
  }

  /// Answers an old count that `release` must not simply take from.
  @inline(never)
  private func dropSlow(_ old: UInt64) {
    if !(ReferenceCount.isShared(old) || isJustAboveMaximum(old)) {
      setCount(old)
      panic("released a frame that has no owner", address)
    }
    pin()
  }

  /// Puts the count back to the maximum, where it stays: additions and subtractions that are on
  /// their way move it by less than the number of processors before they come here too.
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
