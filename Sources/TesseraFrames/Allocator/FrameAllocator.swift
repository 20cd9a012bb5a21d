package import TesseraHardware

/// Hands out frames of physical memory and takes them back.
///
/// Each processor has a cache of frames in front of shared lists of free blocks, so that most
/// allocations take no lock. A frame just freed is the next one allocated on the same processor.
/// Free blocks are kept in the slots: free memory itself is never written, and nothing comes from a
/// heap. Every function may be called with interrupts in any state, also from interrupt handlers.
///
/// A kernel that has an allocator of its own replaces all this by a `ExternalAllocator`: then there
/// are no lists, and the caches stay closed.
public enum FrameAllocator {
  /// The state. Nil before `start`, and if the kernel's allocator is in use.
  ///
  /// Access: written by `start` and `stop`, constant in between.
  nonisolated(unsafe) private static var installed: UnsafeMutablePointer<FrameAllocatorState>?

  /// Guards the state. Taken with interrupts off; no other lock is taken and nothing is dropped
  /// while it is held. It lies outside the state, of which the holder has all to itself.
  private static let lock = SpinLock()

  /// The state's caches and their number, for the fast paths. There are none before `start`.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var caches: UnsafeMutablePointer<ProcessorCache>?
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var cacheCount = 0

  /// How many processors the machine was started with.
  package static var processorCount: Int {
    // SAFETY: constant once the kernel runs.
    unsafe cacheCount
  }

  /// How many bytes of memory the allocator needs for `processorCount` processors.
  package static func stateByteCount(processorCount: Int) -> UInt64 {
    let state = MemoryLayout<FrameAllocatorState>.stride.alignedUp(to: 64)
    return UInt64(state + processorCount * MemoryLayout<ProcessorCache>.stride.alignedUp(to: 64))
  }

  /// Starts with no memory at all, for `processorCount` processors.
  ///
  /// The caller gives `stateByteCount(processorCount:)` bytes at `memory`, aligned to 64, for good,
  /// and runs alone. If the kernel has an `allocator`, memory will come from there.
  @unsafe package static func start(
    in memory: UnsafeMutableRawPointer, processorCount: Int,
    external allocator: ExternalAllocator? = nil
  ) {
    require(processorCount > 0, "a machine has at least one processor")
    let offset = MemoryLayout<FrameAllocatorState>.stride.alignedUp(to: 64)
    let caches = unsafe (memory + offset).bindMemory(
      to: ProcessorCache.self, capacity: processorCount)
    for index in 0..<processorCount {
      unsafe (caches + index).initialize(to: ProcessorCache(isClosed: allocator != nil))
    }
    let state = unsafe memory.bindMemory(to: FrameAllocatorState.self, capacity: 1)
    unsafe state.initialize(
      to: FrameAllocatorState(caches: caches, processorCount: processorCount))
    unsafe installed = allocator == nil ? state : nil
    unsafe self.caches = caches
    unsafe cacheCount = processorCount
    useExternal(allocator)
  }

  /// Undoes `start`, of which nothing is in use. Runs alone.
  package static func stop() {
    // SAFETY: nothing else runs.
    unsafe installed = nil
    // SAFETY: as above.
    unsafe caches = nil
    // SAFETY: as above.
    unsafe cacheCount = 0
    useExternal(nil)
  }

  /// Gives the allocator the frames from `start` up to `end`, whole, which nobody owns. The
  /// kernel's may give them from now on; it is not called for this, and they are not written.
  ///
  /// Frames beyond the table are left out. Traps if one of them has an owner or was given before.
  package static func donate(from start: PhysicalAddress, to end: PhysicalAddress) {
    let first = start.alignedUp(to: 4096).frameNumber
    let last = min(end.frameNumber, FrameTable.frameCount)
    guard first < last else { return }
    for number in first..<last {
      let slot = FrameTable.slot(number: number)
      require(
        slot.count == ReferenceCount.unused && !slot.kind.isAllocated,
        "gave the allocator a frame that is not unused", slot.address)
      if isExternal {
        leaveExternal(slot)
        continue
      }
      if Processor.poisonsFrames { FramePoison.apply(to: slot) }
      slot.setKind(.plain)
      slot.setCount(ReferenceCount.free)
    }
    withLock { state, _ in
      state.freeRun(first, frameCount: last - first)
      state.managedFrameCount += last - first
    } external: {
    }
  }
}

extension FrameAllocator {
  /// Runs `body` on this processor's cache, with interrupts off.
  ///
  /// `body` must not come back here.
  @inline(__always)
  static func withCache<Result>(_ body: (inout ProcessorCache) -> Result) -> Result {
    let interrupts = Processor.disableInterrupts()
    // SAFETY: with interrupts off nothing else runs on this processor, whose cache it is.
    let result = unsafe body(&currentCache.pointee)
    Processor.restoreInterrupts(interrupts)
    return result
  }

  /// Runs `body` on the shared lists and this processor's cache, with the lock held and interrupts
  /// off.
  ///
  /// `body` must not come back here, nor drop a handle. If the kernel's allocator is in use, there
  /// are none: then `external` is run instead, without the lock. Traps before `start`.
  @inline(__always)
  static func withLock<Result>(
    _ body: (inout FrameAllocatorState, inout ProcessorCache) -> Result, external: () -> Result
  ) -> Result {
    // SAFETY: only whether it is there; constant once the kernel runs.
    guard unsafe installed != nil else {
      requireExternal()
      return external()
    }
    let interrupts = lock.lock()
    // SAFETY: the lock keeps other processors out, and interrupts are off. The state is there, and
    // finding it only now saves keeping it while the lock is taken.
    let result = unsafe body(&installed.unsafelyUnwrapped.pointee, &currentCache.pointee)
    lock.unlock(interrupts)
    return result
  }

  /// This processor's cache. Interrupts are off, so that the caller stays on it.
  @inline(__always)
  @unsafe private static var currentCache: UnsafeMutablePointer<ProcessorCache> {
    let processor = Processor.current
    guard unsafe processor < cacheCount else { panicWithoutCache() }
    return unsafe caches.unsafelyUnwrapped + processor
  }

  @inline(never)
  private static func panicWithoutCache() -> Never {
    // SAFETY: only whether it is there.
    if unsafe installed == nil { requireExternal() }
    panic("a processor has a higher number than the allocator was started with")
  }
}

extension FrameAllocator {
  /// Traps unless the kernel's allocator is in use.
  @inline(never)
  private static func requireExternal() {
    require(isExternal, "the frame allocator was used before it was started")
  }
}

extension Int {
  fileprivate func alignedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
