internal import TesseraHardware

/// The pages that a flush invalidates: two ranges, or everything.
struct FlushedPages {
  let range: PendingRange
  let earlierRange: PendingRange

  @inline(__always)
  init(_ range: PendingRange, _ earlierRange: PendingRange) {
    self.range = range
    self.earlierRange = earlierRange
  }

  /// Invalidates the pages on the calling processor.
  func invalidate(alsoGlobal: Bool) {
    if range.isEverything {
      FlushStatistics.countFull()
      Processor.invalidateAll(alsoGlobal: alsoGlobal)
    } else if range.pageCount == 1 && earlierRange.isEmpty {
      FlushStatistics.count(pages: 1)
      Processor.invalidatePage(at: range.start.rawValue)
    } else {
      FlushStatistics.count(pages: range.pageCount + earlierRange.pageCount)
      earlierRange.invalidate()
      range.invalidate()
    }
  }
}
