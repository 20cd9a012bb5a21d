internal import TesseraHardware

extension FrameAllocator {
  /// Makes the caller the only one who has the frame of `slot`, which nobody owns.
  ///
  /// On return the count is `busy`. A frame that waits in the shared lists or in this processor's
  /// cache is taken out first; one in another processor's cache is `busy`.
  package static func claim(_ slot: FrameSlotReference) throws(FrameError) {
    if slot.count == ReferenceCount.free {
      guard extract(slot) else { throw .busy }
    }
    do {
      try slot.claim()
    } catch .unused {
      // The allocator got the frame back in the meantime.
      throw .busy
    }
  }

  /// Takes the frame of `slot` out of the allocator, so that it is nobody's. Says whether it was
  /// there to take.
  private static func extract(_ slot: FrameSlotReference) -> Bool {
    withLock { state, cache in
      let isExtracted = state.extract(FrameTable.number(of: slot)) || cache.remove(slot)
      if isExtracted {
        if Processor.poisonsFrames { FramePoison.check(slot) }
        slot.abandon()
      }
      return isExtracted
    }
  }
}
