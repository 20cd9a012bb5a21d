internal import TesseraHardware

extension FrameAllocator {
  /// Allocates one frame as `request` describes.
  ///
  /// Its count is `free`, or `inTransition` if the kernel's allocator is in use. Only the caller
  /// owns it, and goes on with `initialize`.
  ///
  /// - Throws: `outOfFrames`.
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

  /// Allocates any frame, from this processor's cache if it has one.
  @inline(__always)
  static func allocateAny() throws(FrameError) -> FrameSlotReference {
    if SimulationHooks.failsAllocation { throw .outOfFrames }
    guard let slot = withCache({ $0.pop() }) ?? allocateAfterRefill() else { throw .outOfFrames }
    require(slot.kind == .cached, "frame in a processor's cache was changed", slot.address)
    if SimulationHooks.poisonsFreedFrames { FramePoison.check(slot) }
    return slot
  }

  /// Allocates `frameCount` contiguous frames as `request` describes. Returns the first.
  ///
  /// Their counts are as for `allocateSlot(_:)`.
  ///
  /// - Throws: `empty` if `frameCount` is not positive, or `outOfFrames`.
  package static func allocateRun(
    _ frameCount: Int, _ request: FrameRequest
  ) throws(FrameError) -> FrameSlotReference {
    guard frameCount > 0 else { throw .empty }
    if SimulationHooks.failsAllocation { throw .outOfFrames }
    guard
      let number = allocateFromZones(frameCount, request)
        ?? allocateFromZonesAfterDrain(frameCount, request)
    else { throw .outOfFrames }
    let first = FrameTable.slot(number: number)
    if SimulationHooks.poisonsFreedFrames {
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
    // SAFETY: these frames were just allocated to the caller, and are memory.
    unsafe PhysicalMemory.fill(from: first.address, with: 0, byteCount: byteCount)
  }

  /// Refills this processor's cache and allocates a frame from it, or allocates one externally.
  /// Returns nil if no frame is free.
  @inline(never)
  private static func allocateAfterRefill() -> FrameSlotReference? {
    withLock { state, cache in
      cache.refill(from: &state)
    } external: {
      allocateExternally(1, .uninitialized)
    }
  }

  /// Allocates `frameCount` contiguous frames from the zones, or externally. Returns the number of
  /// the first, or nil.
  ///
  /// Allocates a whole block and frees what exceeds the request.
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

  /// Like `allocateFromZones`, after this processor's cache was drained to them. Returns nil if the
  /// kernel's allocator is in use, because then nothing is cached.
  @inline(never)
  private static func allocateFromZonesAfterDrain(
    _ frameCount: Int, _ request: FrameRequest
  ) -> UInt64? {
    if isExternal { return nil }
    drainCache()
    return allocateFromZones(frameCount, request)
  }
}

extension ProcessorCache {
  /// Fills the cache with up to a batch of frames if it is empty, and allocates one. Under the
  /// lock.
  mutating func refill(from state: inout FrameAllocatorState) -> FrameSlotReference? {
    // An interrupt handler may have freed a frame since the cache was found empty.
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
