internal import Synchronization
internal import TesseraHardware

/// A cache of free frames for one processor, as a stack.
///
/// The caches stand in front of the zones, so that most allocations and frees take no lock and
/// touch no line that another processor writes. A cache is used by its own processor alone, with
/// interrupts off; that is why it needs no lock. Frames move between a cache and the zones in
/// batches, under the allocator's lock: an empty cache is refilled with one batch, and a full one
/// spills its oldest batch. A batch is half the capacity, so that alternating allocations and frees
/// do not move frames back and forth. The frame freed last is allocated first, because its lines
/// are likely still in the processor's data cache.
///
/// Frames in a cache have the count `free` and the kind `cached`. They do not merge with their
/// buddies until they spill, or until `FrameAllocator.drainCache` moves them all to the zones.
struct ProcessorCache: ~Copyable {
  /// The number of frames in a full cache. Together with the count they fill eight cache lines.
  static var capacity: Int { 63 }
  /// The number of frames that move to or from the zones at a time.
  static var batch: Int { 32 }

  /// The number of frames, or -1 if the cache is closed: it then appears empty to `pop` and full to
  /// `push`.
  ///
  /// Access: atomic, written by the cache's processor alone; others read it for statistics.
  private let storedCount = Atomic<Int>(0)
  /// The frames, oldest first. Elements at `count` and beyond are meaningless.
  private(set) var slots: InlineArray<63, FrameSlotReference>

  /// An empty cache, or one that is closed permanently. The table must be installed.
  init(isClosed: Bool = false) {
    slots = InlineArray(repeating: FrameTable.slot(number: 0))
    if isClosed { count = -1 }
  }

  private(set) var count: Int {
    // Ordering: relaxed; the frames belong to this processor, and to others it is only a number.
    get { storedCount.load(ordering: .relaxed) }
    // Ordering: relaxed; see the getter.
    nonmutating set { storedCount.store(newValue, ordering: .relaxed) }
  }

  var isFull: Bool { count == Self.capacity }

  /// Removes and returns the frame that was added last, or nil if the cache is empty.
  @inline(__always)
  mutating func pop() -> FrameSlotReference? {
    let last = count &- 1
    guard Self.isIndex(last) else { return nil }
    count = last
    return slots[last]
  }

  /// Adds a frame. Returns false if the cache is full.
  @inline(__always)
  mutating func push(_ slot: FrameSlotReference) -> Bool {
    let next = count
    guard Self.isIndex(next) else { return false }
    slots[next] = slot
    count = next &+ 1
    return true
  }

  /// Adds `frameCount` contiguous frames, at most a batch, to an empty cache.
  ///
  /// The last one is added first, so that they are allocated in the order of their addresses.
  @inline(__always)
  mutating func fill(from first: FrameSlotReference, frameCount: Int) {
    for index in 0..<frameCount {
      let slot = first.advanced(by: frameCount &- 1 &- index)
      slot.setKind(.cached)
      slots[index] = slot
    }
    count = frameCount
  }

  /// Returns whether a frame can be at `index`, in one comparison that subsumes the array's own.
  @inline(__always)
  private static func isIndex(_ index: Int) -> Bool {
    UInt(bitPattern: index) < UInt(bitPattern: capacity)
  }

  /// Removes the frame of `slot`. Returns whether it was in the cache.
  mutating func remove(_ slot: FrameSlotReference) -> Bool {
    for index in 0..<count where slots[index] == slot {
      count -= 1
      for later in index..<count { slots[later] = slots[later + 1] }
      return true
    }
    return false
  }

  /// Removes the oldest batch from a full cache, and calls `body` with its frames.
  ///
  /// Their kind is then `plain`. Frames that were added in ascending or descending order of their
  /// addresses are passed together, as one run.
  mutating func spill(_ body: (FrameRun) -> Void) {
    require(isFull, "spilled a processor's cache that is not full")
    visitOldest(Self.batch, body)
    // The bounds are constants, so the loop has no check per frame.
    for index in 0..<Self.capacity - Self.batch { slots[index] = slots[index + Self.batch] }
    count = Self.capacity - Self.batch
  }

  /// Removes all frames, and calls `body` with them as `spill` does.
  mutating func removeAll(_ body: (FrameRun) -> Void) {
    visitOldest(count, body)
    count = 0
  }

  /// Mutating although it changes no element, because a nonmutating method is passed a copy of
  /// them.
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
}
