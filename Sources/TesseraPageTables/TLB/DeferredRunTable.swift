internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// A place for runs of frames that wait for a flush, of which a cursor takes one when it needs it.
///
/// Few cursors do. Were there room for so many runs in each, opening and closing one would mostly
/// be work about this room.
struct DeferredRunTable {
  /// Which of the places this is, and how many runs it has; -1 for no place. In one word, as the
  /// cursor has it.
  private var word: Int32

  /// How many runs have room.
  static var capacity: Int { 16 }
  /// How many places there are: as many as there are bits that say which of them are taken.
  private static var tableCount: Int { 32 }

  /// A bit for each place that is taken.
  ///
  /// Access: atomic.
  private static let taken = Atomic<UInt32>(0)

  /// All places, one after the other.
  ///
  /// Access: each place by who has taken it.
  private static let storage = StaticStorage<FrameRun>()

  /// No place.
  @inline(__always)
  static var none: DeferredRunTable { DeferredRunTable(word: -1) }

  @inline(__always)
  private init(word: Int32) { self.word = word }

  @inline(__always)
  var isNone: Bool { word < 0 }

  private var number: Int { Int(word >> 8) }
  private var count: Int { Int(word & 255) }

  /// A place without runs; none if all are taken.
  static func take() -> DeferredRunTable {
    require(
      MemoryLayout<FrameRun>.stride * capacity * tableCount
        <= StaticStorage<FrameRun>.byteCount,
      "there is no room for all runs that wait for a flush")
    // Ordering: relaxed; the exchange that follows does the ordering.
    var old = taken.load(ordering: .relaxed)
    while old != .max {
      let free = ~old & (old &+ 1)
      // Ordering: acquiring, pairs with `release`: what the last one read here was read before.
      // Relaxed if it fails: the loop looks again.
      let (isTaken, now) = taken.weakCompareExchange(
        expected: old, desired: old | free, successOrdering: .acquiring, failureOrdering: .relaxed)
      if isTaken { return DeferredRunTable(word: Int32(free.trailingZeroBitCount) << 8) }
      old = now
    }
    return none
  }

  /// Adds `run`. Says whether there was room.
  mutating func add(_ run: FrameRun) -> Bool {
    guard !isNone, count < Self.capacity else { return false }
    // SAFETY: the place is this one's alone, and the index does not lead out of it.
    unsafe (Self.storage.start + number * Self.capacity + count).initialize(to: run)
    word += 1
    return true
  }

  /// Lets go of all runs and of the place. Comes once, and last.
  func release() {
    for index in 0..<count {
      // SAFETY: the place is this one's alone.
      unsafe (Self.storage.start + number * Self.capacity + index).move().dropReferences()
    }
    // Ordering: releasing, pairs with the exchange in `init`.
    Self.taken.bitwiseAnd(~(1 << UInt32(number)), ordering: .releasing)
  }
}
