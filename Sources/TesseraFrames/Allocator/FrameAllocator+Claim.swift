internal import TesseraHardware

extension FrameAllocator {
  /// Makes the caller the only one who has the frame of `slot`, which nobody owns.
  ///
  /// On return the count is `busy`. A frame that waits in the shared lists or in this processor's
  /// cache is taken out first; one in another processor's cache is `busy`.
  /// Says whether it was taken out of the allocator, rather than nobody's or held bare. If the
  /// kernel has an allocator of its own, its frames are claimed as they are: the caller has them
  /// from there, and there they go in the end.
  @discardableResult
  package static func claim(_ slot: FrameSlotReference) throws(FrameError) -> Bool {
    let wasFree = slot.count == ReferenceCount.free
    if wasFree {
      guard extract(slot) else { throw .inTransition }
    }
    do {
      try slot.claim()
    } catch .unused {
      // The allocator got the frame back in the meantime.
      throw .inTransition
    }
    if slot.kind == .external { noteAcquired(1) }
    return wasFree
  }

  /// Claims `frameCount` frames from `first` on, all of them or none.
  ///
  /// If one is not to be had, those before it go back to what they were: free, nobody's, or bare
  /// memory of somebody who keeps track of it.
  package static func claim(
    run first: FrameSlotReference, frameCount: Int
  ) throws(FrameError) {
    for index in 0..<frameCount {
      let slot = first.advanced(by: index)
      do {
        // What the frame was is remembered in its kind, which nobody looks at while it is busy.
        if try claim(slot) { slot.setKind(.cached) }
      } catch {
        for earlier in 0..<index { unclaim(first.advanced(by: earlier)) }
        throw error
      }
    }
  }

  /// Makes a claimed frame what it was before.
  private static func unclaim(_ slot: FrameSlotReference) {
    if slot.kind.isCached { return freeSlot(slot) }
    if slot.kind == .external { noteReturned(1) }
    slot.makeUnowned(as: slot.kind)
  }

  /// Takes the frame of `slot` out of the allocator, so that it is nobody's. Says whether it was
  /// there to take.
  private static func extract(_ slot: FrameSlotReference) -> Bool {
    withLock { state, cache in
      let isExtracted = state.extract(FrameTable.number(of: slot)) || cache.remove(slot)
      if isExtracted {
        if Processor.poisonsFrames { FramePoison.check(slot) }
        slot.makeUnowned()
      }
      return isExtracted
    } external: {
      // It is on its way there.
      false
    }
  }
}
