/// How the allocator's frames are spread. Exact while nothing else allocates or frees.
///
/// If the kernel has an allocator of its own, all frames that it has not given to Tessera count as
/// free, and nothing is known of blocks.
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
    withLock { state, _ in
      FrameStatistics(
        managedFrameCount: state.managedFrameCount, freeFrameCount: state.freeFrameCount,
        cachedFrameCount: state.cachedFrameCount, largestFreeBlock: state.largestFreeBlock)
    } external: {
      externalStatistics
    }
  }

  /// Calls `report` once for each rule of the allocator that does not hold. Visits every free
  /// frame.
  ///
  /// Nothing else may use the allocator meanwhile.
  public static func checkInvariants(_ report: (StaticString) -> Void) {
    withLock { state, _ in
      state.low.checkInvariants(report)
      state.middle.checkInvariants(report)
      state.high.checkInvariants(report)
      state.forEachCache { $0.checkInvariants(report) }
    } external: {
      checkExternal(report)
    }
  }
}
