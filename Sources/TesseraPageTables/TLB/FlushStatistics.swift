internal import Synchronization
internal import TesseraHardware

/// How much has been invalidated since start-up, on all processors.
///
/// Each processor counts by itself: one counter for all would be one more atomic operation for each
/// page that is unmapped by itself, and a cache line that all processors write.
public enum FlushStatistics {
  /// How many pages were invalidated one by one.
  public static var pageCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.flushes.load(ordering: .relaxed) &+ $0.furtherPages.load(ordering: .relaxed) }
  }

  /// How many times pages were invalidated one by one, however many.
  public static var flushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.flushes.load(ordering: .relaxed) }
  }

  /// How many times everything was invalidated.
  public static var fullFlushCount: UInt64 {
    // Ordering: relaxed; a statistic.
    sum { $0.full.load(ordering: .relaxed) }
  }

  /// Counts a time that this processor invalidates `count` pages, at least one.
  @inline(__always)
  static func count(pages count: Int) {
    // SAFETY: the place lives for ever.
    let counters = unsafe place(of: Processor.current)
    unsafe add(1, to: counters.pointee.flushes)
    if count > 1 {
      unsafe add(UInt64(truncatingIfNeeded: count &- 1), to: counters.pointee.furtherPages)
    }
  }

  /// Counts a time that this processor invalidates everything.
  static func countFull() {
    // SAFETY: the place lives for ever.
    unsafe add(1, to: place(of: Processor.current).pointee.full)
  }
}

extension FlushStatistics {
  /// What one processor counts, in a cache line of its own.
  private struct Counters: ~Copyable {
    /// Access: atomic, written by one processor.
    let flushes: Atomic<UInt64>
    /// How many pages there were beyond the first of each time: mostly there is but one.
    ///
    /// Access: atomic, written by one processor.
    let furtherPages: Atomic<UInt64>
    /// Access: atomic, written by one processor.
    let full: Atomic<UInt64>
    private let reserved: InlineArray<5, UInt64>
  }

  /// Address spaces know as many processors.
  private static var processorCount: Int { 64 }

  /// What `processor` counts. Those with a number above the last share a place, and may then count
  /// too little.
  @inline(__always)
  @unsafe private static func place(of processor: Int) -> UnsafeMutablePointer<Counters> {
    require(
      MemoryLayout<Counters>.stride * processorCount <= StaticMemory.counterByteCount,
      "there is no room for what all processors count")
    // SAFETY: nobody else has this part of the memory. Zeros are counters that nothing has counted.
    return unsafe (StaticMemory.start + StaticMemory.runByteCount)
      .assumingMemoryBound(to: Counters.self) + min(processor, processorCount - 1)
  }

  /// Adds to a counter of the processor that runs the caller, which stays on it.
  @inline(__always)
  private static func add(_ count: UInt64, to counter: borrowing Atomic<UInt64>) {
    // Ordering: relaxed; a statistic, that no other processor writes.
    let old = counter.load(ordering: .relaxed)
    // Ordering: relaxed; as above.
    counter.store(old &+ count, ordering: .relaxed)
  }

  private static func sum(_ counter: (borrowing Counters) -> UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for processor in 0..<processorCount {
      // SAFETY: the place lives for ever.
      sum &+= unsafe counter(place(of: processor).pointee)
    }
    return sum
  }
}
