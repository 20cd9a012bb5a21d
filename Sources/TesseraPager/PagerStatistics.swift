internal import Synchronization
public import TesseraHardware
internal import TesseraPageTables

/// What the pager has done since it was started.
public struct PagerStatistics: Equatable, Sendable {
  /// Pages that were begun to be read from, and to be written to, a store.
  public var reads: UInt64 = 0
  public var writes: UInt64 = 0
  /// Transfers that failed.
  public var storeFailures: UInt64 = 0
  /// Pages that were taken out of memory.
  public var evictions: UInt64 = 0
  /// Frames that the clock has visited.
  public var examined: UInt64 = 0
  /// Faults on pages of memory objects that were in memory, and those that were not.
  public var hits: UInt64 = 0
  public var misses: UInt64 = 0
}

extension PagerStatistics {
  enum Event: Int {
    case read, write, storeFailure, eviction, examined, hit, miss
  }

  private struct Counters: ~Copyable {
    let read = Atomic<UInt64>(0)
    let write = Atomic<UInt64>(0)
    let storeFailure = Atomic<UInt64>(0)
    let eviction = Atomic<UInt64>(0)
    let examined = Atomic<UInt64>(0)
    let hit = Atomic<UInt64>(0)
    let miss = Atomic<UInt64>(0)
  }

  private static let counters = Counters()

  static func count(_ event: Event) { add(event, 1) }

  static func add(_ event: Event, _ number: UInt64) {
    // Ordering: relaxed; statistics.
    switch event {
    case .read: counters.read.wrappingAdd(number, ordering: .relaxed)
    case .write: counters.write.wrappingAdd(number, ordering: .relaxed)
    case .storeFailure: counters.storeFailure.wrappingAdd(number, ordering: .relaxed)
    case .eviction: counters.eviction.wrappingAdd(number, ordering: .relaxed)
    case .examined: counters.examined.wrappingAdd(number, ordering: .relaxed)
    case .hit: counters.hit.wrappingAdd(number, ordering: .relaxed)
    case .miss: counters.miss.wrappingAdd(number, ordering: .relaxed)
    }
  }

  static func reset() {
    // Ordering: relaxed; nothing else runs.
    counters.read.store(0, ordering: .relaxed)
    counters.write.store(0, ordering: .relaxed)
    counters.storeFailure.store(0, ordering: .relaxed)
    counters.eviction.store(0, ordering: .relaxed)
    counters.examined.store(0, ordering: .relaxed)
    counters.hit.store(0, ordering: .relaxed)
    counters.miss.store(0, ordering: .relaxed)
  }

  /// What has been counted so far, each number at some moment of the call.
  static var current: PagerStatistics {
    // Ordering: relaxed; statistics.
    PagerStatistics(
      reads: counters.read.load(ordering: .relaxed),
      writes: counters.write.load(ordering: .relaxed),
      storeFailures: counters.storeFailure.load(ordering: .relaxed),
      evictions: counters.eviction.load(ordering: .relaxed),
      examined: counters.examined.load(ordering: .relaxed),
      hits: counters.hit.load(ordering: .relaxed),
      misses: counters.miss.load(ordering: .relaxed))
  }
}

extension Pager {
  /// What the pager has done since it was started.
  public static var statistics: PagerStatistics { .current }

  /// Uses `store` as the swap store, with room for `pageCount` pages, each at 4096 times its
  /// number.
  ///
  /// Takes 8 bytes of contiguous memory for each. Call it once, on one processor; others may use
  /// the pager already, whose anonymous pages stay in memory until then.
  ///
  /// - Precondition: `pageCount` is from 1 to 2^31 - 1, the pager was started, and there is no swap
  ///   store yet.
  /// - Throws: `outOfFrames`.
  public static func startSwap(_ store: PageStore, pageCount: UInt32) throws(TesseraError) {
    require(isStarted, "a swap store was added before the pager was started")
    try Swap.start(store, slotCount: pageCount)
  }

  /// The number of pages that the swap store has room for, and of those it holds.
  public static var swapUsage: (pageCount: UInt32, used: UInt32) {
    Swap.isStarted ? (SwapSlots.count, SwapSlots.usedCount) : (0, 0)
  }
}
