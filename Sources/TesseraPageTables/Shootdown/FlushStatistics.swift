internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The TLB flushes since start-up, on all processors.
///
/// Each processor counts for itself: a shared counter would cost one more atomic operation for each
/// page that is unmapped alone, on a cache line that all processors write.
public enum FlushStatistics {
  /// The number of pages that were invalidated one by one.
  public static var pageCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.flushes.load(ordering: .relaxed) &+ $0.furtherPages.load(ordering: .relaxed) }
  }

  /// The number of flushes of one or more single pages.
  public static var flushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.flushes.load(ordering: .relaxed) }
  }

  /// The number of full flushes.
  public static var fullFlushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.full.load(ordering: .relaxed) }
  }

  /// The number of requests to other processors to flush, counted once for each that was asked.
  public static var requestCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.requests.load(ordering: .relaxed) }
  }

  /// The number of interrupts that were sent with requests: fewer, because a processor that has
  /// other requests to answer has been interrupted already.
  public static var interruptCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.interrupts.load(ordering: .relaxed) }
  }

  /// The number of activations of a space that flushed nothing, because the processor had cached
  /// nothing of it that was stale.
  public static var keptContextCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.keptContexts.load(ordering: .relaxed) }
  }

  /// Counts an activation of a space on this processor that flushes nothing.
  static func countKeptContext() { add(1, to: counters[Processor.current].keptContexts) }

  /// Counts a request of this processor to `count` others, with `interrupts` sent.
  static func countRequest(to count: Int, interrupts: Int) {
    let processor = Processor.current
    add(UInt64(count), to: counters[processor].requests)
    add(UInt64(interrupts), to: counters[processor].interrupts)
  }

  /// Counts a flush of `count` pages, at least one, on this processor, whose number is `here`.
  @inline(__always)
  static func count(pages count: Int, here: Int) {
    add(1, to: counters[here].flushes)
    if count > 1 {
      add(UInt64(truncatingIfNeeded: count &- 1), to: counters[here].furtherPages)
    }
  }

  /// Counts a full flush on this processor, whose number is `here`.
  static func countFull(here: Int) { add(1, to: counters[here].full) }
}

extension FlushStatistics {
  /// The counters of one processor.
  private struct Counters: PerProcessorValue, ~Copyable {
    static var variable: PerProcessorVariable { .flushCounters }

    /// Access: atomic, written by one processor.
    let flushes: Atomic<UInt64>
    /// The pages beyond the first of each flush: most flushes are of one page.
    ///
    /// Access: atomic, written by one processor.
    let furtherPages: Atomic<UInt64>
    /// Access: atomic, written by one processor.
    let full: Atomic<UInt64>
    /// Access: atomic, written by one processor.
    let requests: Atomic<UInt64>
    /// Access: atomic, written by one processor.
    let interrupts: Atomic<UInt64>
    /// Access: atomic, written by one processor.
    let keptContexts: Atomic<UInt64>
  }

  /// Processors beyond the last one share its counters, which may then lose counts.
  // SAFETY: zeros are valid counters, and each is atomic.
  private static let counters = unsafe PerProcessor<Counters>()

  /// Adds to a counter of the processor that runs the caller, which is not moved to another.
  @inline(__always)
  private static func add(_ count: UInt64, to counter: borrowing Atomic<UInt64>) {
    // Ordering: relaxed; a statistic, that no other processor writes.
    let old = counter.load(ordering: .relaxed)
    // Ordering: relaxed; as above.
    counter.store(old &+ count, ordering: .relaxed)
  }

  private static func sum(_ counter: (borrowing Counters) -> UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for processor in 0..<max(1, FrameAllocator.processorCount) {
      sum &+= counter(counters[processor])
    }
    return sum
  }
}
