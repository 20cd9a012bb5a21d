internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// A table of runs whose release is deferred until after the flush, acquired by a cursor that needs
/// one.
///
/// Few do. If every cursor had room for as many runs, opening and closing one would mostly be work
/// on that room.
struct DeferredRunTable {
  /// The number of the table, and the number of its runs below that; -1 for no table. One word,
  /// because each cursor has it.
  private var word: Int32

  /// The number of runs that fit in a table.
  static var capacity: Int { 16 }
  /// The number of tables: one for each bit of `taken`.
  private static var tableCount: Int { 32 }

  /// The tables in use, a bit each.
  ///
  /// Access: atomic.
  private static let taken = Atomic<UInt32>(0)

  /// The tables, one after the other.
  ///
  /// Access: each by the cursor that acquired it.
  private static let storage = StaticStorage<FrameRun>()

  /// No table.
  @inline(__always)
  static var none: DeferredRunTable { DeferredRunTable(word: -1) }

  @inline(__always)
  private init(word: Int32) { self.word = word }

  @inline(__always)
  var isNone: Bool { word < 0 }

  private var number: Int { Int(word >> 8) }
  private var count: Int { Int(word & 255) }

  /// Acquires an empty table; returns `none` if all are in use.
  static func take() -> DeferredRunTable {
    require(
      MemoryLayout<FrameRun>.stride * capacity * tableCount
        <= StaticStorage<FrameRun>.byteCount,
      "deferred runs do not fit in their static memory")
    // Ordering: relaxed; the exchange that follows does the ordering.
    var old = taken.load(ordering: .relaxed)
    while old != .max {
      let free = ~old & (old &+ 1)
      // Ordering: acquiring, pairs with `release`: the last user has read its runs.
      // Relaxed if it fails: the loop tries again.
      let (isTaken, now) = taken.weakCompareExchange(
        expected: old, desired: old | free, successOrdering: .acquiring, failureOrdering: .relaxed)
      if isTaken { return DeferredRunTable(word: Int32(free.trailingZeroBitCount) << 8) }
      old = now
    }
    return none
  }

  /// Adds `run`. Returns false if there is no room.
  mutating func add(_ run: FrameRun) -> Bool {
    guard !isNone, count < Self.capacity else { return false }
    // SAFETY: the table was acquired, and the index is below its capacity.
    unsafe (Self.storage.start + number * Self.capacity + count).initialize(to: run)
    word += 1
    return true
  }

  /// Calls `body` with each run, and removes them.
  mutating func removeAll(_ body: (FrameRun) -> Void) {
    for index in 0..<count {
      // SAFETY: the table was acquired, and `add` put a run there.
      body(unsafe (Self.storage.start + number * Self.capacity + index).move())
    }
    word -= Int32(count)
  }

  /// Drops the references of all runs, and releases the table. Called once, at the end.
  func release() {
    for index in 0..<count {
      // SAFETY: the table was acquired.
      unsafe (Self.storage.start + number * Self.capacity + index).move().dropReferences()
    }
    // Ordering: releasing, pairs with the exchange in `take`.
    Self.taken.bitwiseAnd(~(1 << UInt32(number)), ordering: .releasing)
  }
}
