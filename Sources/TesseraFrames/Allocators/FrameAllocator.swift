package import TesseraHardware

/// Hands out frames of physical memory and takes them back.
///
/// Each processor has a cache of frames in front of shared lists of free blocks, so that most
/// allocations take no lock. A frame just freed is the next one allocated on the same processor. Free
/// blocks are kept in the slots: free memory itself is never written, and nothing comes from a heap.
/// Every function may be called with interrupts in any state, also from interrupt handlers.
public enum FrameAllocator {
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var installed: UnsafeMutablePointer<FrameAllocatorState>?

  /// The state. Traps before `start`.
  @inline(__always)
  @unsafe static var state: UnsafeMutablePointer<FrameAllocatorState> {
    guard let state = unsafe installed else {
      panic("the frame allocator was used before it was started")
    }
    return unsafe state
  }

  /// How many bytes of memory the allocator needs for `processorCount` processors.
  package static func stateByteCount(processorCount: Int) -> UInt64 {
    let state = MemoryLayout<FrameAllocatorState>.stride.alignedUp(to: 64)
    return UInt64(state + processorCount * MemoryLayout<FrameCache>.stride.alignedUp(to: 64))
  }

  /// Starts with no memory at all, for `processorCount` processors.
  ///
  /// The caller gives `stateByteCount(processorCount:)` bytes at `memory`, aligned to 64, for good,
  /// and runs alone.
  @unsafe package static func start(in memory: UnsafeMutableRawPointer, processorCount: Int) {
    require(processorCount > 0, "a machine has at least one processor")
    let offset = MemoryLayout<FrameAllocatorState>.stride.alignedUp(to: 64)
    let caches = unsafe (memory + offset).bindMemory(to: FrameCache.self, capacity: processorCount)
    for index in 0..<processorCount { unsafe (caches + index).initialize(to: FrameCache()) }
    let state = unsafe memory.bindMemory(to: FrameAllocatorState.self, capacity: 1)
    unsafe state.initialize(
      to: FrameAllocatorState(caches: caches, processorCount: processorCount))
    unsafe installed = state
  }

  /// Gives the allocator the frames from `start` up to `end`, whole, which nobody owns.
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
      if Processor.poisonsFrames { FramePoison.apply(to: slot) }
      slot.setKind(.plain)
      slot.setCount(ReferenceCount.free)
    }
    // SAFETY: the lock is held while the state changes.
    let interrupts = unsafe state.pointee.lock.lock()
    unsafe state.pointee.freeRun(first, frameCount: last - first)
    unsafe state.pointee.managedFrameCount += last - first
    unsafe state.pointee.lock.unlock(interrupts)
  }
}

extension Int {
  fileprivate func alignedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}
