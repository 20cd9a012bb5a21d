internal import TesseraHardware

extension FrameAllocator {
  /// Takes back a frame that nobody owns any more and whose metadata is destroyed.
  ///
  /// The count is `busy` or `unique`, and the caller alone has the frame.
  package static func freeSlot(_ slot: FrameSlotReference) {
    if Processor.watchesFreeFrames { return freeObserved(slot) }
    slot.setKind(.cached)
    slot.setCount(ReferenceCount.free)
    cache(slot)
  }

  /// As `freeSlot(_:)`, if somebody looks on or freed frames are poisoned. Apart, so that the other
  /// way calls nothing before its last step, and has no registers to save.
  @inline(never)
  private static func freeObserved(_ slot: FrameSlotReference) {
    Processor.noteFrameFree(at: slot.address, byteCount: PageSize.fourKiB.byteCount)
    makeFree(slot, as: .cached)
    cache(slot)
  }

  /// Makes a frame free that is given back in a run later. As for one that goes back alone.
  @inline(__always)
  package static func makeFree(_ slot: FrameSlotReference, as kind: FrameKind = .plain) {
    if Processor.poisonsFrames { FramePoison.apply(to: slot) }
    slot.setKind(kind)
    slot.setCount(ReferenceCount.free)
  }

  /// Takes back `frameCount` frames from `first` on, all of them prepared, in as few blocks as
  /// possible. There may be none.
  @inline(never)
  package static func freeRun(_ first: FrameSlotReference, frameCount: Int) {
    Processor.noteFrameFree(
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

  /// Moves the frames of this processor's cache to the shared lists, where they merge.
  public static func drainCache() {
    withLock { state, cache in
      cache.removeAll { state.freeRun($0) }
    } external: {
    }
  }

  /// Puts a free frame, marked as cached, into this processor's cache.
  @inline(__always)
  private static func cache(_ slot: FrameSlotReference) {
    if !withCache({ $0.push(slot) }) { cacheAfterSpill(slot) }
  }

  /// As `cache`, once older frames have made room; or by giving it to the kernel's allocator.
  @inline(never)
  private static func cacheAfterSpill(_ slot: FrameSlotReference) {
    let isCached = withLock { state, cache in
      // An interrupt handler may have taken a frame since the cache was found full.
      if cache.isFull { cache.removeOldest { state.freeRun($0) } }
      return cache.push(slot)
    } external: {
      freeExternally(slot, frameCount: 1)
      return true
    }
    require(isCached, "a processor's cache has room once frames have left it")
  }
}

extension FrameAllocatorState {
  fileprivate mutating func freeRun(_ run: FrameRun) {
    let first = FrameTable.number(of: run.first)
    guard run.only == nil else { return freeBlock(first, order: 0) }
    freeRun(first, frameCount: UInt64(run.frameCount))
  }
}
