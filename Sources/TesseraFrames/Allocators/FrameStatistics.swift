internal import TesseraHardware

/// How the allocator's frames are spread. Exact while nothing else allocates or frees.
public struct FrameStatistics: Equatable, Sendable {
  /// How many frames the allocator was given.
  public var managedFrameCount: UInt64
  /// How many of them are in free blocks.
  public var freeFrameCount: UInt64
  /// How many of them wait in processors' caches.
  public var cachedFrameCount: UInt64
  /// The frames of the largest free block: what one contiguous allocation can get.
  public var largestFreeBlock: UInt64

  /// How many frames are out.
  public var usedFrameCount: UInt64 { managedFrameCount - freeFrameCount - cachedFrameCount }
}

extension FrameAllocator {
  public static var statistics: FrameStatistics {
    var cached: UInt64 = 0
    // SAFETY: the lock guards the zones. The caches' counts are other processors' to change: the sum
    // is exact while they do not.
    let interrupts = unsafe state.pointee.lock.lock()
    for index in 0..<(unsafe state.pointee.processorCount) {
      cached += UInt64(unsafe state.pointee.caches[index].count)
    }
    let statistics = unsafe FrameStatistics(
      managedFrameCount: state.pointee.managedFrameCount,
      freeFrameCount: state.pointee.freeFrameCount, cachedFrameCount: cached,
      largestFreeBlock: state.pointee.largestFreeBlock)
    unsafe state.pointee.lock.unlock(interrupts)
    return statistics
  }

  /// Calls `report` once for each rule of the allocator that does not hold. Visits every free frame.
  ///
  /// Nothing else may use the allocator meanwhile.
  public static func checkInvariants(_ report: (StaticString) -> Void) {
    // SAFETY: nothing else uses the allocator.
    unsafe state.pointee.low.checkInvariants(report)
    unsafe state.pointee.middle.checkInvariants(report)
    unsafe state.pointee.high.checkInvariants(report)
    for index in 0..<(unsafe state.pointee.processorCount) {
      unsafe state.pointee.caches[index].checkInvariants(report)
    }
    if unsafe state.pointee.lock.isLocked { report("nobody holds the allocator's lock") }
  }
}
