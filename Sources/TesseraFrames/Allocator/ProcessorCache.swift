internal import Synchronization
internal import TesseraHardware

/// A cache of free frames for one processor, as a stack.
///
/// The caches stand in front of the zones, so that most allocations and frees take no lock and
/// touch no line that another processor writes. A cache is used by its own processor alone, with
/// interrupts off; that is why it needs no lock. Frames move between a cache and the zones in
/// batches: an empty cache is refilled with one batch, and a full one spills its oldest batch. Only
/// whole blocks are moved under the allocator's lock; what is done for each frame is done outside.
/// A batch is half the capacity, so that alternating allocations and frees do not move frames back
/// and forth. The frame freed last is allocated first, because its lines are likely still in the
/// processor's data cache.
///
/// Frames in a cache have the count `free` and the kind `cached`. They do not merge with their
/// buddies until they spill, or until `FrameAllocator.drainCache` moves them all to the zones.
///
/// Other processors get what a cache holds by asking for it; see `CacheRequest`.
///
/// This is a view of the memory where the cache is, so that no access to the whole of it excludes
/// other processors from reading its count.
///
/// SAFETY: safe to use, because the memory is the allocator's and lives as long as it does.
@safe
struct ProcessorCache: ~Copyable {
  /// The number of frames in a full cache. Together with the count they fill eight cache lines.
  static var capacity: Int { 63 }
  /// The number of frames that move to or from the zones at a time.
  static var batch: Int { 32 }
  /// The size of the memory of a cache, which is aligned to 64.
  static var byteCount: Int { 512 }
  /// The size of the cache line that other processors write. Those of all caches lie before them,
  /// the first one last.
  static var requestByteCount: Int { 64 }

  /// The count, and then the frames, oldest first. Elements at `count` and beyond are meaningless.
  private let memory: UnsafeMutableRawPointer
  private let requestMemory: UnsafeMutableRawPointer

  /// A view of the initialized cache of `processor`, of those at `caches`.
  @inline(__always)
  @unsafe init(of processor: Int, at caches: UnsafeMutableRawPointer) {
    unsafe memory = caches + processor &* Self.byteCount
    unsafe requestMemory = caches - (processor &+ 1) &* Self.requestByteCount
  }

  /// Makes the memory of the cache of `processor`, of those at `caches`, an empty cache, or one
  /// that is closed permanently. The table must be installed.
  @unsafe static func initialize(
    _ processor: Int, at caches: UnsafeMutableRawPointer, isClosed: Bool
  ) {
    let cache = unsafe ProcessorCache(of: processor, at: caches)
    let memory = unsafe cache.memory
    unsafe memory.initializeMemory(as: Atomic<Int>.self, to: Atomic(isClosed ? closed : 0))
    unsafe (memory + MemoryLayout<Atomic<Int>>.size).initializeMemory(
      as: FrameSlotReference.self, repeating: FrameTable.slot(number: 0), count: capacity)
    unsafe cache.requestMemory.initializeMemory(as: CacheRequest.self, to: CacheRequest())
  }

  /// The number of frames; or `closed` or `lent`: the cache then appears empty to `pop` and full to
  /// `push`, which the fast paths find out without another comparison.
  ///
  /// Access: atomic, written by the cache's processor alone; others only read it.
  var count: Int {
    // Ordering: relaxed; the frames belong to this processor, and to others it is only a number.
    get { unsafe storedCount.pointee.load(ordering: .relaxed) }
    // Ordering: relaxed; see the getter.
    nonmutating set { unsafe storedCount.pointee.store(newValue, ordering: .relaxed) }
  }

  @inline(__always)
  @unsafe private var storedCount: UnsafePointer<Atomic<Int>> {
    // SAFETY: the memory begins with the count.
    unsafe UnsafePointer(memory.assumingMemoryBound(to: Atomic<Int>.self))
  }

  /// The frame at `index`.
  ///
  /// Access: by the cache's processor alone, or under the lock by others if the cache is lent.
  @inline(__always)
  subscript(index: Int) -> FrameSlotReference {
    get { unsafe element(index).pointee }
    nonmutating set { unsafe element(index).pointee = newValue }
  }

  @inline(__always)
  @unsafe func element(_ index: Int) -> UnsafeMutablePointer<FrameSlotReference> {
    require(index >= 0 && index < Self.capacity, "frame is outside of a processor's cache")
    // SAFETY: the frames follow the count, and the index is that of one of them.
    let first = unsafe memory + MemoryLayout<Atomic<Int>>.size
    return unsafe first.assumingMemoryBound(to: FrameSlotReference.self) + index
  }

  var isFull: Bool { count == Self.capacity }

  private static var closed: Int { -1 }
  /// The count of a cache whose frames are another processor's to take.
  static var lent: Int { -2 }

  var isClosed: Bool { count < 0 }

  /// Closes the cache, which is empty, or opens it, empty, if it is closed.
  mutating func setClosed(_ isClosed: Bool) {
    require(count <= 0, "a processor's cache was closed with frames in it")
    count = isClosed ? Self.closed : 0
  }

  /// What other processors ask of the cache's.
  @inline(__always)
  var request: CacheRequest {
    _read {
      // SAFETY: the memory holds the request.
      yield unsafe requestMemory.assumingMemoryBound(to: CacheRequest.self).pointee
    }
  }

  /// Removes and returns the frame that was added last, or nil if the cache is empty.
  @inline(__always)
  mutating func pop() -> FrameSlotReference? {
    let last = count &- 1
    guard Self.isIndex(last) else { return nil }
    count = last
    return self[last]
  }

  /// Adds a frame. Returns false if the cache is full.
  @inline(__always)
  mutating func push(_ slot: FrameSlotReference) -> Bool {
    let next = count
    guard Self.isIndex(next) else { return false }
    self[next] = slot
    count = next &+ 1
    return true
  }

  /// Adds `frameCount` contiguous frames, for which there is room, to the `index` frames of the
  /// cache.
  ///
  /// The last one is added first, so that they are allocated in the order of their addresses. Both
  /// numbers are constants where it matters, so that the loop has no checks.
  @inline(__always)
  mutating func add(_ first: FrameSlotReference, frameCount: Int, at index: Int) {
    for offset in 0..<frameCount {
      let slot = first.advanced(by: frameCount &- 1 &- offset)
      slot.setKind(.cached)
      self[index &+ offset] = slot
    }
    count = index &+ frameCount
  }

  /// Returns whether a frame can be at `index`, in one comparison that subsumes the array's own.
  @inline(__always)
  private static func isIndex(_ index: Int) -> Bool {
    UInt(bitPattern: index) < UInt(bitPattern: capacity)
  }

  /// Removes the frame of `slot`. Returns whether it was in the cache.
  mutating func remove(_ slot: FrameSlotReference) -> Bool {
    for index in 0..<max(0, count) where self[index] == slot {
      count -= 1
      for later in index..<count { self[later] = self[later + 1] }
      return true
    }
    return false
  }

  /// Moves all frames to the zones. Under the lock.
  mutating func removeAll(to state: inout FrameAllocatorState) {
    guard count > 0 else { return }
    state.freeOldest(count, of: self)
    count = 0
  }

  /// Calls `body` with the oldest `frameCount` frames, of which there is at least one.
  ///
  /// Their kind is then `plain`. Frames that were added in ascending or descending order of their
  /// addresses are passed together, as one run.
  @inline(__always)
  func visitOldest(_ frameCount: Int, _ body: (FrameRun) -> Void) {
    var run = FrameRun(self[0])
    self[0].setKind(.plain)
    var start = 1
    // The usual order, in a loop that does nothing else.
    while start < frameCount, run.append(self[start]) {
      self[start].setKind(.plain)
      start &+= 1
    }
    for index in start..<frameCount {
      let slot = self[index]
      slot.setKind(.plain)
      if run.append(slot) || run.prepend(slot) { continue }
      body(run)
      run = FrameRun(slot)
    }
    body(run)
  }
}
