/// How many frames the allocator has. Exact while no other processor allocates or frees.
///
/// Otherwise the number of frames in caches may be off by those that moved during the call. However
/// many did, the free and the cached frames are never more than all, so that `usedFrameCount` does
/// not overflow.
///
/// If the kernel has its own allocator, all frames that it has not allocated to Tessera count as
/// free, and nothing is known about blocks.
public struct FrameStatistics: Equatable, Sendable {
  /// The number of frames that were donated to the allocator.
  public var managedFrameCount: UInt64
  /// How many of them are in free blocks.
  public var freeFrameCount: UInt64
  /// How many of them are in processors' caches.
  public var cachedFrameCount: UInt64
  /// The number of frames of the largest free block. So many can be allocated contiguously, and
  /// more where blocks are adjacent.
  public var largestFreeBlock: UInt64

  /// The number of frames that are allocated.
  public var usedFrameCount: UInt64 { managedFrameCount - freeFrameCount - cachedFrameCount }
}

extension FrameAllocator {
  public static var statistics: FrameStatistics {
    withLock { state, _ in
      FrameStatistics(
        managedFrameCount: state.managedFrameCount, freeFrameCount: state.freeFrameCount,
        cachedFrameCount: state.cachedFrameCount, largestFreeBlock: state.largestFreeBlock)
    } external: {
      externalStatistics
    }
  }
}
