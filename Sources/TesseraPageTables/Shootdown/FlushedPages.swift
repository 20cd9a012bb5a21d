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

  static var everything: FlushedPages { FlushedPages(.everything, .none) }

  var isEverything: Bool { range.isEverything }

  /// Invalidates the pages on the calling processor, whose number is `here`.
  func invalidate(alsoGlobal: Bool, here: Int) {
    // The common case; the others are apart so that it saves no registers for them.
    guard range.pageCount == 1 && earlierRange.isEmpty else {
      return invalidateSeveral(alsoGlobal: alsoGlobal, here: here)
    }
    FlushStatistics.count(pages: 1, here: here)
    Processor.invalidatePage(at: range.start.rawValue)
  }

  @inline(never)
  private func invalidateSeveral(alsoGlobal: Bool, here: Int) {
    if range.isEverything {
      FlushStatistics.countFull(here: here)
      Processor.invalidateAll(alsoGlobal: alsoGlobal)
    } else {
      FlushStatistics.count(pages: range.pageCount + earlierRange.pageCount, here: here)
      earlierRange.invalidate()
      range.invalidate()
    }
  }
}
