internal import Synchronization

/// How much has been invalidated since start-up, on all processors.
public enum InvalidationStatistics {
  /// How many pages there were beyond the first of each time: mostly there is but one, which then
  /// costs one atomic operation and not two.
  ///
  /// Access: atomic.
  private static let furtherPages = Atomic<UInt64>(0)
  /// Access: atomic.
  private static let flushes = Atomic<UInt64>(0)
  /// Access: atomic.
  private static let full = Atomic<UInt64>(0)

  /// How many pages were invalidated one by one.
  public static var pageCount: UInt64 {
    // Ordering: relaxed; a statistic.
    flushCount + furtherPages.load(ordering: .relaxed)
  }

  /// How many times pages were invalidated one by one, however many.
  public static var flushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    flushes.load(ordering: .relaxed)
  }

  /// How many times everything was invalidated.
  public static var fullFlushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    full.load(ordering: .relaxed)
  }

  /// Counts a time that `count` pages, at least one, are invalidated.
  @inline(__always)
  static func count(pages count: Int) {
    // Ordering: relaxed; a statistic.
    if count > 1 { furtherPages.wrappingAdd(UInt64(count - 1), ordering: .relaxed) }
    // Ordering: relaxed; a statistic.
    flushes.wrappingAdd(1, ordering: .relaxed)
  }

  static func countFull() {
    // Ordering: relaxed; a statistic.
    full.wrappingAdd(1, ordering: .relaxed)
  }
}
