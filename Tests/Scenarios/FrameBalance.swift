internal import TesseraFrames

/// The distribution of frames before a scenario, compared with the one after it.
package struct FrameBalance {
  private let statistics: FrameStatistics
  /// Nil where counting every frame takes too long.
  private let census: FrameCensus?

  init(visitingEveryFrame: Bool) {
    FrameAllocator.drainCache()
    statistics = FrameAllocator.statistics
    census = visitingEveryFrame ? FrameTable.census : nil
  }

  /// Fails a check for each way in which frames have leaked or metadata is inconsistent.
  func check(_ checks: inout Checks) {
    FrameAllocator.drainCache()
    let now = FrameAllocator.statistics
    checks.expect(
      now.usedFrameCount == statistics.usedFrameCount, "as many frames are in use as before")
    checks.expect(now.cachedFrameCount == statistics.cachedFrameCount, "the cache can be drained")
    checks.expect(
      now.freeFrameCount == statistics.freeFrameCount, "as many frames are free as before")
    checks.expect(
      now.largestFreeBlock == statistics.largestFreeBlock,
      "the largest free block is as large as before")
    guard let census else { return }
    checks.expect(FrameTable.census == census, "every state has as many frames as before")
    Self.checkInvariants(&checks)
  }

  /// Fails a check for each invariant of a slot or of the allocator that does not hold.
  package static func checkInvariants(_ checks: inout Checks) {
    let failuresBefore = checks.failureCount
    FrameTable.checkInvariants { message, _ in checks.fail(message) }
    FrameAllocator.checkInvariants { message in checks.fail(message) }
    checks.expect(
      checks.failureCount == failuresBefore, "the invariants of slots and allocator hold")
  }
}
