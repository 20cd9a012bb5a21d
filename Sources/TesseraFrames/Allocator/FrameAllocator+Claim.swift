package import TesseraHardware

extension FrameAllocator {
  /// Makes the caller the only owner of the frame of `slot`, which is unused or free.
  ///
  /// Afterwards the count is `inTransition`. A free frame is first removed from the zones or from
  /// this processor's cache. A frame of the kernel's own allocator must have been allocated there
  /// by the caller, and returns there when it is freed.
  ///
  /// - Returns: Whether the frame was removed from the allocator, rather than unowned.
  /// - Throws: `inUse`, `unique`, or `inTransition`, also for a frame in another processor's cache.
  @discardableResult
  package static func claim(_ slot: FrameSlotReference) throws(TesseraError) -> Bool {
    let wasFree = slot.count == ReferenceCount.free
    if wasFree {
      guard remove(slot) else { throw .inTransition }
    }
    do {
      try slot.claim()
    } catch .unused {
      // The frame was freed in the meantime.
      throw .inTransition
    }
    if slot.kind == .external { noteAcquired(1) }
    return wasFree
  }

  /// Claims `frameCount` contiguous frames, all of them or none.
  ///
  /// If one cannot be claimed, those before it return to what they were: free, unowned, or a raw
  /// allocation.
  package static func claim(
    run first: FrameSlotReference, frameCount: Int
  ) throws(TesseraError) {
    for index in 0..<frameCount {
      let slot = first.advanced(by: index)
      do {
        // The kind remembers that the frame was free; no other processor reads it in transition.
        if try claim(slot) { slot.setKind(.cached) }
      } catch {
        for earlier in 0..<index { unclaim(first.advanced(by: earlier)) }
        throw error
      }
    }
  }

  /// Returns a claimed frame to what it was before.
  private static func unclaim(_ slot: FrameSlotReference) {
    if slot.kind.isCached { return freeSlot(slot) }
    if slot.kind == .external { noteReturned(1) }
    slot.makeUnowned(as: slot.kind)
  }

  /// Removes the frame of `slot` from the allocator and leaves it unowned. Returns whether it was
  /// found there.
  private static func remove(_ slot: FrameSlotReference) -> Bool {
    withLock { state, cache in
      let isRemoved = state.remove(FrameTable.number(of: slot)) || cache.remove(slot)
      if isRemoved {
        if SimulationHooks.poisonsFreedFrames { FramePoison.check(slot) }
        slot.makeUnowned()
      }
      return isRemoved
    } external: {
      // The frame is being freed.
      false
    }
  }
}
