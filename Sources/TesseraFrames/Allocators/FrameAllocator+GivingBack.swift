internal import TesseraHardware

extension FrameAllocator {
  /// Takes back a frame that nobody owns any more and whose metadata is destroyed.
  ///
  /// The count is `busy` or `unique`, and the caller alone has the frame.
  package static func giveBack(_ slot: FrameSlotReference) {
    if Processor.poisonsFrames { FramePoison.apply(to: slot) }
    slot.setKind(.cached)
    slot.setCount(ReferenceCount.free)
    let isKept = withCache { cache in
      if cache.isFull { return false }
      cache.push(slot)
      return true
    }
    if !isKept { keepBySpilling(slot) }
  }

  /// Takes back `frameCount` frames from `first` on, as few blocks as possible. As for one.
  static func giveBack(run first: FrameSlotReference, frameCount: Int) {
    guard frameCount > 1 else { return giveBack(first) }
    for index in 0..<frameCount {
      let slot = first.advanced(by: index)
      if Processor.poisonsFrames { FramePoison.apply(to: slot) }
      slot.setKind(.plain)
      slot.setCount(ReferenceCount.free)
    }
    withLock { state, _ in
      state.freeRun(FrameTable.number(of: first), frameCount: UInt64(frameCount))
    }
  }

  /// Moves the frames of this processor's cache to the shared lists, where they merge.
  public static func drainCache() {
    withLock { state, cache in cache.spill(FrameCache.capacity, to: &state) }
  }

  /// Puts a frame into this processor's cache, once older ones have made room for it.
  @inline(never)
  private static func keepBySpilling(_ slot: FrameSlotReference) {
    withLock { state, cache in
      cache.spill(FrameCache.batch, to: &state)
      cache.push(slot)
    }
  }
}

extension FrameCache {
  /// Moves the `frameCount` frames that came first to the shared lists. Under the state's lock.
  mutating func spill(_ frameCount: Int, to state: inout FrameAllocatorState) {
    removeOldest(frameCount) { slot in
      slot.setKind(.plain)
      state.freeBlock(FrameTable.number(of: slot), order: 0)
    }
  }
}
