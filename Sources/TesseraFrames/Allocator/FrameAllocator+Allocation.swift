internal import TesseraHardware

extension FrameAllocator {
  /// Takes one frame as `request` says. Throws `outOfFrames`.
  ///
  /// The frame's count is `free` or `busy`; the caller alone has it and goes on with `initialize`.
  @inline(__always)
  package static func allocateSlot(_ request: FrameRequest) throws(FrameError) -> FrameSlotReference
  {
    guard request.isForAnyFrame else {
      return try allocateRun(Int(request.size.frameCount), request)
    }
    let slot = try allocateAny()
    if request.isZeroed { zero(slot, frameCount: 1) }
    return slot
  }

  /// Takes any one frame, from this processor's cache if it can.
  @inline(__always)
  static func allocateAny() throws(FrameError) -> FrameSlotReference {
    if Processor.refusesAllocation { throw .outOfFrames }
    guard let slot = withCache({ $0.pop() }) ?? allocateAfterRefill() else { throw .outOfFrames }
    require(slot.kind == .cached, "a frame in a processor's cache was changed", slot.address)
    if Processor.poisonsFrames { FramePoison.check(slot) }
    return slot
  }

  /// Takes `frameCount` frames that follow each other, as `request` says.
  ///
  /// Their counts are `free` or `busy`. Throws `empty` for no frames, and `outOfFrames`.
  package static func allocateRun(
    _ frameCount: Int, _ request: FrameRequest
  ) throws(FrameError) -> FrameSlotReference {
    guard frameCount > 0 else { throw .empty }
    if Processor.refusesAllocation { throw .outOfFrames }
    guard
      let number = allocateFromZones(frameCount, request)
        ?? allocateFromZonesAfterDrain(frameCount, request)
    else { throw .outOfFrames }
    let first = FrameTable.slot(number: number)
    if Processor.poisonsFrames {
      for index in 0..<frameCount { FramePoison.check(first.advanced(by: index)) }
    }
    if request.isZeroed { zero(first, frameCount: frameCount) }
    return first
  }
}

extension FrameAllocator {
  @inline(__always)
  private static func zero(_ first: FrameSlotReference, frameCount: Int) {
    let byteCount = UInt64(frameCount) &* PageSize.fourKiB.byteCount
    // SAFETY: the caller has just been given these frames, which are memory.
    unsafe PhysicalMemory.fill(from: first.address, with: 0, byteCount: byteCount)
  }

  /// Fills this processor's cache from the shared lists, and takes the last frame; or takes one
  /// from the kernel's allocator. Nil if there is none.
  @inline(never)
  private static func allocateAfterRefill() -> FrameSlotReference? {
    withLock { state, cache in
      cache.refill(from: &state)
    } external: {
      allocateExternally(1, .uninitialized)
    }
  }

  /// The number of the first of `frameCount` frames taken from the shared lists, or from the
  /// kernel's allocator; or nil.
  private static func allocateFromZones(_ frameCount: Int, _ request: FrameRequest) -> UInt64? {
    let count = UInt64(frameCount)
    let alignment = max(1, request.alignment >> 12)
    let order = max(64 - (count - 1).leadingZeroBitCount, alignment.trailingZeroBitCount)
    return withLock { state, _ in
      guard let number = state.allocateBlock(order: order, limit: request.limit.frameNumber) else {
        return nil
      }
      let excess = (1 << UInt64(order)) - count
      if excess > 0 { state.freeRun(number + count, frameCount: excess) }
      return number
    } external: {
      allocateExternally(frameCount, request).map { FrameTable.number(of: $0) }
    }
  }

  /// As `allocateFromZones`, once this processor's cache has gone back to the shared lists. The kernel's
  /// allocator is not asked again: it has all its frames already.
  @inline(never)
  private static func allocateFromZonesAfterDrain(_ frameCount: Int, _ request: FrameRequest)
    -> UInt64?
  {
    if isExternal { return nil }
    drainCache()
    return allocateFromZones(frameCount, request)
  }
}

extension ProcessorCache {
  /// Fills the cache up to a batch if it is empty, and takes the last frame. Under the lock.
  mutating func refill(from state: inout FrameAllocatorState) -> FrameSlotReference? {
    // An interrupt handler may have given a frame back since the cache was found empty.
    if let slot = pop() { return slot }
    var order = Self.batch.trailingZeroBitCount
    let limit = PhysicalAddress.limit.frameNumber
    if let number = state.allocateBlock(order: order, limit: limit) {
      fill(from: FrameTable.slot(number: number), frameCount: Self.batch)
      return pop()
    }
    while order > 0 {
      order -= 1
      guard let number = state.allocateBlock(order: order, limit: limit) else { continue }
      fill(from: FrameTable.slot(number: number), frameCount: 1 << order)
      return pop()
    }
    return nil
  }
}
