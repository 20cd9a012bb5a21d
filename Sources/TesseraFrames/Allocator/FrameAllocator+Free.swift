internal import TesseraHardware

extension FrameAllocator {
  /// Frees a frame whose metadata is destroyed.
  ///
  /// The count is `inTransition` or `unique`: only the caller owns the frame.
  package static func freeSlot(_ slot: FrameSlotReference) {
    if SimulationHooks.observesFrees { return freeSlotSlow(slot) }
    slot.setKind(.cached)
    slot.setCount(ReferenceCount.free)
    cache(slot)
  }

  /// Like `freeSlot(_:)`, when frees are observed or freed frames are poisoned.
  ///
  /// A function of its own, so that the fast path calls nothing before its last step and has no
  /// registers to save.
  @inline(never)
  private static func freeSlotSlow(_ slot: FrameSlotReference) {
    SimulationHooks.frameFreed(at: slot.address, byteCount: PageSize.fourKiB.byteCount)
    makeFree(slot, as: .cached)
    cache(slot)
  }

  /// Makes a frame free that is about to be passed to `freeRun`. The preconditions are those of
  /// `freeSlot(_:)`.
  @inline(__always)
  package static func makeFree(_ slot: FrameSlotReference, as kind: FrameKind = .plain) {
    if SimulationHooks.poisonsFreedFrames { FramePoison.apply(to: slot) }
    slot.setKind(kind)
    slot.setCount(ReferenceCount.free)
  }

  /// Frees `frameCount` contiguous frames, in as few blocks as possible. They may be none.
  ///
  /// Each was made free by `makeFree`.
  @inline(never)
  package static func freeRun(_ first: FrameSlotReference, frameCount: Int) {
    SimulationHooks.frameFreed(
      at: first.address, byteCount: UInt64(frameCount) &* PageSize.fourKiB.byteCount)
    if frameCount == 1 {
      first.setKind(.cached)
      cache(first)
    }
    guard frameCount > 1 else { return }
    withLock { state, _ in
      state.freeRun(FrameTable.number(of: first), frameCount: UInt64(frameCount))
    } external: {
      freeExternally(first, frameCount: frameCount)
    }
  }

  /// Adds a free frame of kind `cached` to this processor's cache, or frees it for all processors
  /// if it is scarce.
  @inline(__always)
  private static func cache(_ slot: FrameSlotReference) {
    guard isCached(slot), withCache({ $0.push(slot) }) else { return cacheAfterSpill(slot) }
  }

  /// Like `cache`, after the cache spilled its oldest frames; or returns the frame to its zone, or
  /// to the kernel's allocator.
  @inline(never)
  private static func cacheAfterSpill(_ slot: FrameSlotReference) {
    if isExternal { return freeExternally(slot, frameCount: 1) }
    let isDone = withLock(
      after: { $0.joinOldest() },
      { state, cache, runCount in
        let isSpilled = runCount > 0
        if isSpilled { cache.freeOldest(runCount, to: &state) }
        let isFreed = !isCached(slot) || cache.isClosed
        if isFreed { state.freeScarce(slot) }
        return (isSpilled, isFreed)
      },
      then: { cache, taken in
        if taken.0 { cache.closeGap() }
        return taken.1 || cache.push(slot)
      })
    require(isDone, "a processor's cache is full after it spilled")
  }
}
