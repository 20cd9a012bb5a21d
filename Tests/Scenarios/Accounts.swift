internal import TesseraFrames

/// How the frames were spread before a scenario, to be compared with how they are after it.
package struct Accounts {
  private let statistics: FrameStatistics
  /// Nil where counting every frame takes too long.
  private let census: FrameCensus?

  init(visitingEveryFrame: Bool) {
    FrameAllocator.drainCache()
    statistics = FrameAllocator.statistics
    census = visitingEveryFrame ? FrameTable.census : nil
  }

  /// Notes a failure for each way in which frames are missing, or the records are wrong.
  func close(_ checks: inout Checks) {
    FrameAllocator.drainCache()
    let now = FrameAllocator.statistics
    checks.expect(
      now.usedFrameCount == statistics.usedFrameCount, "as many frames are out as before")
    checks.expect(now.cachedFrameCount == statistics.cachedFrameCount, "the cache can be emptied")
    checks.expect(
      now.freeFrameCount == statistics.freeFrameCount, "as many frames are free as before")
    checks.expect(
      now.largestFreeBlock == statistics.largestFreeBlock, "the largest free block is back")
    guard let census else { return }
    checks.expect(FrameTable.census == census, "every state has as many frames as before")
    Self.checkInvariants(&checks)
  }

  /// Notes a failure for each rule of a slot or of the allocator that does not hold.
  package static func checkInvariants(_ checks: inout Checks) {
    let failuresBefore = checks.failureCount
    FrameTable.checkInvariants { message, _ in checks.fail(message) }
    FrameAllocator.checkInvariants { message in checks.fail(message) }
    checks.expect(checks.failureCount == failuresBefore, "slots and allocator keep their rules")
  }
}
