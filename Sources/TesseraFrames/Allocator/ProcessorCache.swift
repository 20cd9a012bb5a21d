internal import Synchronization
internal import TesseraHardware

/// The frames that one processor keeps for its next allocations, last freed first.
///
/// Access: by its processor alone, with interrupts off. That is why it needs no lock.
struct ProcessorCache: ~Copyable {
  /// How many frames a full cache holds: with the count it fills eight cache lines.
  static var capacity: Int { 63 }
  /// How many frames come from, or go to, the shared lists at a time.
  static var batch: Int { 32 }

  /// How many frames there are; -1 if the cache is closed, which looks empty to who takes and full
  /// to who gives.
  ///
  /// Access: atomic, written by the cache's processor alone; others read it for statistics.
  private let storedCount = Atomic<Int>(0)
  /// The frames, from the first place on. The places after the last frame hold anything.
  private var slots: InlineArray<63, FrameSlotReference>

  /// An empty cache, or one that never holds anything. There are slots already.
  init(isClosed: Bool = false) {
    slots = InlineArray(repeating: FrameTable.slot(number: 0))
    if isClosed { count = -1 }
  }

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
    let last = count &- 1
    guard Self.hasPlace(last) else { return nil }
    count = last
    return slots[last]
  }

  /// Adds a frame, unless the cache is full. Says whether there was room.
  @inline(__always)
  mutating func push(_ slot: FrameSlotReference) -> Bool {
    let next = count
    guard Self.hasPlace(next) else { return false }
    slots[next] = slot
    count = next &+ 1
    return true
  }

  /// Adds the `frameCount` frames from `first` on, at most a batch, to a cache that is empty.
  ///
  /// They go in from the last one down, so that they come out in the order of their addresses.
  @inline(__always)
  mutating func fill(from first: FrameSlotReference, frameCount: Int) {
    for index in 0..<frameCount {
      let slot = first.advanced(by: frameCount &- 1 &- index)
      slot.setKind(.cached)
      slots[index] = slot
    }
    count = frameCount
  }

  /// Whether a frame can be at `index`: one comparison, which the check of the array takes over.
  @inline(__always)
  private static func hasPlace(_ index: Int) -> Bool {
    UInt(bitPattern: index) < UInt(bitPattern: capacity)
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

  /// Removes the batch that came first from a full cache, and calls `body` with its frames, no
  /// longer marked: with those together that came in the order of their addresses, up or down.
  mutating func removeOldest(_ body: (FrameRun) -> Void) {
    require(isFull, "frames are moved out of a processor's cache when it is full")
    visitOldest(Self.batch, body)
    // The numbers are known beforehand, which is why nothing is checked here for each frame.
    for index in 0..<Self.capacity - Self.batch { slots[index] = slots[index + Self.batch] }
    count = Self.capacity - Self.batch
  }

  /// Removes all frames, and calls `body` with them as `removeOldest` does.
  mutating func removeAll(_ body: (FrameRun) -> Void) {
    visitOldest(count, body)
    count = 0
  }

  /// Changes no place; what is not mutating is given a copy of all of them.
  @inline(__always)
  private mutating func visitOldest(_ frameCount: Int, _ body: (FrameRun) -> Void) {
    guard frameCount > 0 else { return }
    var run = FrameRun(slots[0])
    slots[0].setKind(.plain)
    for index in 1..<frameCount {
      let slot = slots[index]
      slot.setKind(.plain)
      if run.append(slot) || run.prepend(slot) { continue }
      body(run)
      run = FrameRun(slot)
    }
    body(run)
  }

  /// Calls `report` once for each rule of a cache that does not hold.
  func checkInvariants(_ report: (StaticString) -> Void) {
    for index in 0..<count {
      let slot = slots[index]
      if slot.kind != .cached { report("a frame in a cache is marked as cached") }
      if slot.count != ReferenceCount.free { report("a frame in a cache is free") }
    }
  }
}
