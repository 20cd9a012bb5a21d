internal import Synchronization

/// The frames that one processor keeps for its next allocations, last freed first.
///
/// Access: by its processor alone, with interrupts off. That is why it needs no lock.
struct FrameCache: ~Copyable {
  /// How many frames a full cache holds: with the count it fills eight cache lines.
  static var capacity: Int { 63 }
  /// How many frames come from, or go to, the shared lists at a time.
  static var batch: Int { 32 }

  /// How many frames there are.
  ///
  /// Access: atomic, written by the cache's processor alone; others read it for statistics.
  private let storedCount = Atomic<Int>(0)
  private var slots = [63 of FrameSlotReference?](repeating: nil)

  private(set) var count: Int {
    // Ordering: relaxed; the frames themselves are this processor's, and to others it is a number.
    get { storedCount.load(ordering: .relaxed) }
    // Ordering: relaxed; see the getter.
    nonmutating set { storedCount.store(newValue, ordering: .relaxed) }
  }

  var isFull: Bool { count == Self.capacity }

  /// Takes the frame that came last, or returns nil if the cache is empty.
  @inline(__always)
  mutating func pop() -> FrameSlotReference? {
    guard count > 0 else { return nil }
    count -= 1
    let slot = slots[count]
    return slot
  }

  /// Adds a frame to a cache that is not full.
  @inline(__always)
  mutating func push(_ slot: FrameSlotReference) {
    slots[count] = slot
    count += 1
  }

  /// Removes the frame of `slot` from wherever it is. Says whether it was there.
  mutating func remove(_ slot: FrameSlotReference) -> Bool {
    for index in 0..<count where slots[index] == slot {
      count -= 1
      for later in index..<count { slots[later] = slots[later + 1] }
      return true
    }
    return false
  }

  /// Removes the `wanted` frames that came first and calls `body` with each.
  mutating func removeOldest(_ wanted: Int, _ body: (FrameSlotReference) -> Void) {
    let removed = min(wanted, count)
    for index in 0..<removed {
      if let slot = slots[index] { body(slot) }
    }
    count -= removed
    for index in 0..<count { slots[index] = slots[index + removed] }
  }

  /// Calls `report` once for each rule of a cache that does not hold.
  func checkInvariants(_ report: (StaticString) -> Void) {
    for index in 0..<count {
      guard let slot = slots[index] else {
        report("a cache has as many frames as it counts")
        continue
      }
      if slot.kind != .cached { report("a frame in a cache is marked as cached") }
      if slot.count != ReferenceCount.free { report("a frame in a cache is free") }
    }
  }
}
