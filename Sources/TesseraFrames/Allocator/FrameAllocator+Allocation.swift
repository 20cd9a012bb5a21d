package import TesseraHardware

extension FrameAllocator {
  /// Allocates one frame as `request` describes.
  ///
  /// Its count is `free`, or `inTransition` if the kernel's allocator is in use. Only the caller
  /// owns it, and goes on with `initialize`.
  ///
  /// - Throws: `outOfFrames`.
  @inline(__always)
  package static func allocateSlot(_ request: FrameRequest) throws(TesseraError)
    -> FrameSlotReference
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
  static func allocateAny() throws(TesseraError) -> FrameSlotReference {
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
  ) throws(TesseraError) -> FrameSlotReference {
    guard frameCount > 0 else { throw .empty }
    if frameCount == 1 && request.isForAnyFrame { return try allocateSlot(request) }
    if SimulationHooks.failsAllocation { throw .outOfFrames }
    guard
      let number = allocateFromZones(frameCount, request) ?? search(frameCount, request)
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
    refillAndAllocate() ?? reclaim() ?? allocateAfterTrim() ?? allocateFromOtherCaches()
  }

  /// Allocates a frame that was kept on this processor. Returns nil if none was.
  private static func allocateAfterTrim() -> FrameSlotReference? {
    // A part at a time, as long as there may be more.
    while mayTrim(Processor.current) {
      if trim(), let slot = refillAndAllocate() { return slot }
    }
    return nil
  }

  // Not inlined: there would be two copies, and what takes blocks from the zones is large.
  @inline(never)
  private static func refillAndAllocate() -> FrameSlotReference? {
    if isExternal { return allocateExternally(1, .uninitialized) }
    return withLock(
      after: { _ in }, { state, cache, _ in cache.refill(from: &state) },
      then: { cache, run in cache.allocate(after: run) })
  }

  /// Allocates a frame that was in another processor's cache. Returns nil if no frame is free.
  @inline(never)
  private static func allocateFromOtherCaches() -> FrameSlotReference? {
    if isExternal { return nil }
    for _ in 0..<4 {
      drainAllCaches()
      if let slot = refillAndAllocate() { return slot }
      // If not, there were so many meanwhile that others have cached some again.
      if areFramesShort || processorCount == 1 { return nil }
    }
    return nil
  }

  /// Allocates `frameCount` contiguous frames from the zones, or externally. Returns the number of
  /// the first, or nil.
  @inline(never)
  static func allocateFromZones(_ frameCount: Int, _ request: FrameRequest) -> UInt64? {
    withLock { state, _ in
      state.allocateRun(FreeRunShape(frameCount, request), limit: request.limit.frameNumber)
    } external: {
      allocateExternally(frameCount, request).map { FrameTable.number(of: $0) }
    }
  }
}

extension ProcessorCache {
  /// Takes up to a batch of frames from the zones if the cache is empty. Under the lock.
  ///
  /// Returns those that remain to be passed to `allocate(after:)`, outside the lock: a batch, or
  /// one frame that must not be cached. Frames of smaller blocks are put into the cache.
  ///
  /// All of them come from the highest zone that has any: in one block if it has one, and otherwise
  /// in several. So a zone whose memory is fragmented is used up before a lower one, which some
  /// devices need. Frames of lower zones are not cached from then on, and of the lowest, which
  /// is small, only the one that is allocated is taken, unless there is no other memory. Nor is
  /// more taken if frames are short, or the cache is closed.
  mutating func refill(from state: inout FrameAllocatorState) -> FrameRun? {
    // An interrupt handler may have freed a frame since the cache was found empty.
    if count > 0 { return nil }
    state.noteFreed()
    let managedEnd = state.managedEnd
    let isShort = state.isShort
    var frameCount = 0
    var number: UInt64?
    var firstCached: UInt64 = 0
    state.withHighestFreeZone { zone in
      let isScarce = zone.start == 0 && managedEnd > zone.end
      firstCached = isScarce ? zone.end : zone.start
      frameCount = isScarce || isShort || isClosed ? 1 : Self.batch
      number = zone.allocate(order: frameCount.trailingZeroBitCount, limit: zone.end)
      if number == nil, frameCount > 1 { gather(from: &zone) }
    }
    state.cacheFrames(from: firstCached)
    return number.map { FrameRun(FrameTable.slot(number: $0), frameCount: frameCount) }
  }

  /// Allocates a frame once `refill` has returned `run`. Returns nil if no frame is free.
  mutating func allocate(after run: FrameRun?) -> FrameSlotReference? {
    guard let run else { return pop() }
    if let slot = run.only {
      slot.setKind(.cached)
      return slot
    }
    add(run.first, frameCount: Self.batch, at: 0)
    return pop()
  }

  /// Fills the cache, which is empty, with up to a batch of frames from blocks that are smaller
  /// than one.
  @inline(never)
  private mutating func gather(from zone: inout BuddyZone) {
    while count < Self.batch, let largest = zone.largestOrder {
      // What is left of a batch after blocks of ever smaller orders is a multiple of each.
      let order = min(largest, (Self.batch - count).trailingZeroBitCount)
      guard let number = zone.allocate(order: order, limit: zone.end) else { return }
      add(FrameTable.slot(number: number), frameCount: 1 << order, at: count)
    }
  }
}
