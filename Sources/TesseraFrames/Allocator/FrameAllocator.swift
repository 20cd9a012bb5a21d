package import TesseraHardware

/// The allocator of physical frames.
///
/// Three zones of free blocks (`BuddyZone`) are shared by all processors, under one lock. In front
/// of them each processor has a cache of frames (`ProcessorCache`), so that most allocations take
/// no lock. All free blocks are described by the slots: free memory itself is never written, and
/// the allocator needs no heap. Every function may be called with interrupts on or off, and by
/// interrupt handlers.
///
/// A kernel that has an allocator of its own passes an `ExternalAllocator` to `start`: then there
/// are no zones, and the caches stay closed.
public enum FrameAllocator {
  /// The state, or nil before `start` and if the kernel's allocator is in use.
  ///
  /// Access: written by `start` and `stop`, constant in between; the state itself under `lock`.
  nonisolated(unsafe) private static var installed: UnsafeMutablePointer<FrameAllocatorState>?

  /// Guards the state. Acquired with interrupts off; while it is held, no other lock is acquired
  /// and no reference is dropped. It lies outside the state, to which its holder has exclusive
  /// access.
  private static let lock = SpinLock()

  /// The state's caches, for the fast paths, or nil before `start`.
  ///
  /// Access: written by `start` and `stop`, constant in between; see `ProcessorCache` for the rest.
  nonisolated(unsafe) private static var caches: UnsafeMutableRawPointer?
  /// SAFETY: safe to use, because it is constant once the kernel runs.
  ///
  /// Access: written by `start` and `stop`, constant in between.
  @safe nonisolated(unsafe) private static var cacheCount = 0

  /// The number of processors that the allocator was started for.
  package static var processorCount: Int { cacheCount }

  /// The number of bytes that the allocator needs for `processorCount` processors.
  package static func stateByteCount(processorCount: Int) -> UInt64 {
    UInt64(
      cacheOffset(processorCount) + processorCount * ProcessorCache.byteCount
        + PerProcessorMemory.byteCount(processorCount: processorCount))
  }

  /// Where the caches are in the allocator's memory.
  private static func cacheOffset(_ processorCount: Int) -> Int {
    MemoryLayout<FrameAllocatorState>.stride.alignedUp(to: 64)
      + processorCount * ProcessorCache.requestByteCount
  }

  /// Starts the allocator without any frames.
  ///
  /// The caller provides `stateByteCount(processorCount:)` bytes at `memory`, aligned to 64,
  /// permanently. No other processor runs. If the kernel has an `allocator`, frames come from
  /// there.
  @unsafe package static func start(
    in memory: UnsafeMutableRawPointer, processorCount: Int,
    external allocator: ExternalAllocator? = nil
  ) {
    require(processorCount > 0, "number of processors is zero")
    // Otherwise two processors would write to one cache line.
    require(UInt(bitPattern: memory) % 64 == 0, "the allocator's memory is not aligned to 64")
    let caches = unsafe memory + cacheOffset(processorCount)
    for processor in 0..<processorCount {
      unsafe ProcessorCache.initialize(processor, at: caches, isClosed: allocator != nil)
    }
    unsafe PerProcessorMemory.install(
      caches + processorCount * ProcessorCache.byteCount, processorCount: processorCount)
    let state = unsafe memory.bindMemory(to: FrameAllocatorState.self, capacity: 1)
    unsafe state.initialize(
      to: FrameAllocatorState(caches: caches, processorCount: processorCount))
    unsafe installed = allocator == nil ? state : nil
    unsafe self.caches = caches
    cacheCount = processorCount
    cacheFrames(from: 0)
    reclaim(by: nil)
    askOthers(by: nil)
    stopTrimming()
    useExternal(allocator)
  }

  /// Undoes `start`. No other processor runs, and no frame is in use.
  package static func stop() {
    // SAFETY: no other processor runs.
    unsafe (installed, caches) = (nil, nil)
    cacheCount = 0
    PerProcessorMemory.uninstall()
    useExternal(nil)
    reclaim(by: nil)
    askOthers(by: nil)
    stopTrimming()
  }

  /// Donates the whole frames between `start` and `end`, which are unowned, to the allocator.
  ///
  /// If the kernel has its own allocator, that may allocate them from now on; it is not called, and
  /// the frames are not written. Frames beyond the table are ignored.
  ///
  /// - Precondition: None of the frames has an owner, or was donated before.
  package static func donate(from start: PhysicalAddress, to end: PhysicalAddress) {
    let first = start.alignedUp(to: 4096).frameNumber
    let last = min(end.frameNumber, FrameTable.frameCount)
    guard first < last else { return }
    for number in first..<last {
      let slot = FrameTable.slot(number: number)
      require(
        slot.count == ReferenceCount.unused && !slot.kind.isAllocated,
        "donated a frame that is not unused", slot.address)
      if isExternal {
        donateExternally(slot)
        continue
      }
      if SimulationHooks.poisonsFreedFrames { FramePoison.apply(to: slot) }
      slot.setKind(.plain)
      slot.setCount(ReferenceCount.free)
    }
    withLock { state, _ in
      state.freeRun(first, frameCount: last - first)
      state.managedFrameCount += last - first
      state.managedEnd = max(state.managedEnd, last)
      if state.managedEnd > state.low.end { state.cacheFrames(from: state.low.end) }
    } external: {
    }
  }
}

extension FrameAllocator {
  /// Runs `body` on this processor's cache, with interrupts off.
  ///
  /// `body` must not call the allocator.
  @inline(__always)
  static func withCache<Result>(_ body: (inout ProcessorCache) -> Result) -> Result {
    let interrupts = Processor.disableInterrupts()
    // SAFETY: with interrupts off nothing else runs on this processor, which owns the cache.
    var cache = unsafe currentCache
    let result = body(&cache)
    Processor.restoreInterrupts(interrupts)
    return result
  }

  /// Runs `body` on the zones and this processor's cache, with the lock held and interrupts off.
  ///
  /// `body` must not call the allocator, nor destroy a handle. If the kernel's allocator is in use,
  /// runs `external` instead, without the lock.
  ///
  /// - Precondition: The allocator has been started.
  @inline(__always)
  static func withLock<Result>(
    _ body: (inout FrameAllocatorState, inout ProcessorCache) -> Result, external: () -> Result
  ) -> Result {
    // SAFETY: the pointer is only compared, and constant once the kernel runs.
    guard unsafe installed != nil else {
      requireExternal()
      return external()
    }
    let interrupts = lock.lock()
    // SAFETY: the lock excludes other processors, and interrupts are off. The pointer is not nil;
    // loading it only now avoids saving it across the call that acquires the lock.
    var cache = unsafe currentCache
    if cache.isClosed { unsafe cache.reopen(&installed.unsafelyUnwrapped.pointee) }
    let result = unsafe body(&installed.unsafelyUnwrapped.pointee, &cache)
    lock.unlock(interrupts)
    return result
  }

  /// Runs `prepare` on this processor's cache, then `body` as `withLock` does, and `finish` on the
  /// cache, each with what the one before has returned. With interrupts off throughout, so that
  /// the cache does not change in between.
  ///
  /// - Precondition: The allocator has been started, and the kernel's is not in use.
  @inline(__always)
  static func withLock<Prepared, Taken, Result>(
    after prepare: (inout ProcessorCache) -> Prepared,
    _ body: (inout FrameAllocatorState, inout ProcessorCache, Prepared) -> Taken,
    then finish: (inout ProcessorCache, Taken) -> Result
  ) -> Result {
    let interrupts = Processor.disableInterrupts()
    // SAFETY: with interrupts off nothing else runs on this processor, which owns the cache.
    var cache = unsafe currentCache
    let prepared = prepare(&cache)
    lock.acquire()
    // SAFETY: the lock excludes other processors; see `withLock`.
    if cache.isClosed { unsafe cache.reopen(&installed.unsafelyUnwrapped.pointee) }
    let taken = unsafe body(&installed.unsafelyUnwrapped.pointee, &cache, prepared)
    lock.release()
    let result = finish(&cache, taken)
    Processor.restoreInterrupts(interrupts)
    return result
  }

  /// Whether there are caches that are used.
  static var hasCaches: Bool {
    // SAFETY: the pointer is only compared, and constant once the kernel runs.
    unsafe installed != nil
  }

  /// Runs `body` on what others ask of `processor`, which has a cache.
  static func withRequest<Result>(
    of processor: Int, _ body: (borrowing CacheRequest) -> Result
  ) -> Result {
    require(processor < cacheCount, "a processor has no cache")
    // SAFETY: there are so many caches, and a request is atomic.
    let cache = unsafe ProcessorCache(of: processor, at: caches.unsafelyUnwrapped)
    return body(cache.request)
  }

  /// This processor's cache. Interrupts are off, so that the caller stays on this processor.
  @inline(__always)
  @unsafe private static var currentCache: ProcessorCache {
    let processor = Processor.current
    guard processor < cacheCount else { panicWithoutCache() }
    return unsafe ProcessorCache(of: processor, at: caches.unsafelyUnwrapped)
  }

  @inline(never)
  private static func panicWithoutCache() -> Never {
    // SAFETY: the pointer is only compared.
    if unsafe installed == nil { requireExternal() }
    panic("a processor has a higher number than the allocator was started with")
  }

  @inline(never)
  private static func requireExternal() {
    require(isExternal, "the frame allocator was used before it was started")
  }
}

extension Int {
  fileprivate func alignedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
