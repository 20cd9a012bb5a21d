internal import TesseraHardware

extension FrameAllocator {
  /// Takes back a frame that nobody owns any more and whose metadata is destroyed.
  ///
  /// The count is `busy` or `unique`, and the caller alone has the frame.
  static func giveBack(_ slot: FrameSlotReference) {
    if Processor.poisonsFrames { FramePoison.apply(to: slot) }
    slot.setKind(.cached)
    slot.setCount(ReferenceCount.free)
    let interrupts = Processor.disableInterrupts()
    // SAFETY: this processor's cache, with interrupts off.
    if unsafe currentCache.pointee.isFull { spillCache(FrameCache.batch) }
    unsafe currentCache.pointee.push(slot)
    Processor.restoreInterrupts(interrupts)
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
    // SAFETY: the lock is held while the state changes.
    let interrupts = unsafe state.pointee.lock.lock()
    unsafe state.pointee.freeRun(FrameTable.number(of: first), frameCount: UInt64(frameCount))
    unsafe state.pointee.lock.unlock(interrupts)
  }

  /// Moves the frames of this processor's cache to the shared lists, where they merge.
  public static func drainCache() {
    let interrupts = Processor.disableInterrupts()
    spillCache(FrameCache.capacity)
    Processor.restoreInterrupts(interrupts)
  }

  /// Moves the `frameCount` frames that came first out of this processor's cache. Interrupts are off.
  private static func spillCache(_ frameCount: Int) {
    // SAFETY: the lock is held and interrupts are off; the cache is this processor's.
    let interrupts = unsafe state.pointee.lock.lock()
    unsafe currentCache.pointee.removeOldest(frameCount) { slot in
      slot.setKind(.plain)
      unsafe state.pointee.freeBlock(FrameTable.number(of: slot), order: 0)
    }
    unsafe state.pointee.lock.unlock(interrupts)
  }
}
