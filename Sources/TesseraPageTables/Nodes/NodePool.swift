internal import TesseraFrames
package import TesseraHardware

/// Allocates page-table nodes, from a pool of frames known to be zero where it can.
///
/// A node whose last entry was removed is all zeros again, so it is kept here and the next one need
/// not be cleared. Roots are pooled apart: they keep their kernel entries, which are the same in
/// all of them. Nothing is pooled if the kernel brings its own frame allocator, which gets every
/// unused frame back.
package enum NodePool {
  /// The number of nodes that each chain holds at most; further frames go back to the allocator.
  package static var capacity: Int { 64 }

  /// Guards the chains. No other lock is taken while it is held.
  private static let lock = SpinLock()
  /// Access: under the lock.
  nonisolated(unsafe) private static var nodes = NodeChain()
  /// Access: under the lock.
  nonisolated(unsafe) private static var roots = NodeChain()

  /// Empties the pool, without freeing what is in it. Called when memory has just been started.
  ///
  /// From then on, the frame allocator gets nodes back before a request fails.
  package static func start() {
    FrameAllocator.reclaim(by: { NodePool.reclaim() })
    withLock {
      // SAFETY: under the lock.
      unsafe nodes = NodeChain(isClosed: FrameAllocator.isExternal)
      // SAFETY: under the lock.
      unsafe roots = NodeChain(isClosed: FrameAllocator.isExternal)
    }
  }

  /// The number of nodes in the pool, including roots.
  package static var count: Int {
    // SAFETY: under the lock.
    withLock { unsafe nodes.nodeCount + roots.nodeCount }
  }

  /// The number of frames that can become nodes: those that are free, and those in the pool.
  ///
  /// A request for more cannot succeed, and must fail before it takes any.
  package static var availableFrameCount: UInt64 {
    let statistics = FrameAllocator.statistics
    return statistics.freeFrameCount + statistics.cachedFrameCount + UInt64(count)
  }

  /// Allocates a node of `level` without entries, locked and with a reference count of one.
  ///
  /// - Throws: `outOfFrames`.
  package static func allocate(
    level: PagingLevel, isRoot: Bool = false
  ) throws(TesseraError) -> FreshNode {
    if let slot = try pop(root: false) { return construct(slot, level, isRoot: isRoot) }
    return construct(try FrameAllocator.allocateSlot(FrameRequest()), level, isRoot: isRoot)
  }

  /// Returns a pooled root of `level` with its kernel entries, locked and with a reference count of
  /// one, or nil if there is none.
  ///
  /// - Throws: `outOfFrames` if a test makes this allocation fail.
  @inline(__always)
  static func reuseRoot(level: PagingLevel) throws(TesseraError) -> FreshNode? {
    guard let slot = try pop(root: true) else { return nil }
    return construct(slot, level, isRoot: true)
  }

  /// Drops a reference to `node`. With the last one, releases the node's children and returns the
  /// node, which is all zeros again, to the pool.
  package static func release(_ node: PageTableNode) {
    if node.slot.drop() { free(node) }
  }

  /// Releases the children of `node`, whose last reference was dropped, and returns the node, which
  /// is all zeros again, to the pool.
  @inline(__always)
  package static func free(_ node: PageTableNode) {
    SimulationHooks.frameFreed(at: node.address, byteCount: PageSize.fourKiB.byteCount)
    let isRoot = node.isRoot
    node.slot.destroyMetadata()
    if SimulationHooks.poisonsFreedFrames || !push(node.slot, isRoot) {
      FrameAllocator.freeSlot(node.slot)
    }
  }

  /// Frees all pooled nodes.
  package static func drain() {
    // SAFETY: under the lock.
    while let slot = withLock({ unsafe nodes.pop() ?? roots.pop() }) {
      FrameAllocator.freeSlot(slot)
    }
  }

  /// Removes a node or a root from the pool, and returns its address, or `nothingReclaimed`.
  private static func reclaim() -> UInt64 {
    // SAFETY: under the lock.
    withLock { unsafe nodes.pop() ?? roots.pop() }?.address.rawValue
      ?? FrameAllocator.nothingReclaimed
  }

  /// Removes a node from the pool; nil if there is none.
  ///
  /// - Throws: `outOfFrames` if a test makes this allocation fail.
  @inline(__always)
  private static func pop(root isRoot: Bool) throws(TesseraError) -> FrameSlotReference? {
    // SAFETY: under the lock.
    guard let slot = withLock({ isRoot ? unsafe roots.pop() : unsafe nodes.pop() }) else {
      return nil
    }
    guard SimulationHooks.failsAllocation else { return slot }
    if !push(slot, isRoot) { FrameAllocator.freeSlot(slot) }
    throw .outOfFrames
  }

  /// Makes a node of the frame of `slot`, which the caller owns alone.
  @inline(__always)
  private static func construct(
    _ slot: FrameSlotReference, _ level: PagingLevel, isRoot: Bool
  ) -> FreshNode {
    slot.initialize(NodeMetadata(level: level, isRoot: isRoot), allocated: true)
    slot.setCount(1)
    if !slot.tryLock() { lockSlow(slot) }
    // SAFETY: the frame has just become a node, locked and with one reference.
    return unsafe FreshNode(owning: PageTableNode(at: slot.address), level: level)
  }

  /// Acquires the lock of an unowned frame. A walk that is late may hold it for a moment.
  @inline(never)
  private static func lockSlow(_ slot: FrameSlotReference) {
    var looksLeft = 1 << 24
    while !slot.tryLock() {
      Processor.pause()
      looksLeft -= 1
      require(looksLeft > 0, "a page-table node was freed with its lock held", slot.address)
    }
  }

  /// Adds the frame of `slot`, which the caller owns alone, to the pool. Returns false if the pool
  /// is full.
  private static func push(_ slot: FrameSlotReference, _ isRoot: Bool) -> Bool {
    slot.initialize(NodeMetadata(level: .leafTable), allocated: true)
    slot.setCount(ReferenceCount.unique)
    // SAFETY: under the lock, and the frame has just become a node.
    return withLock { isRoot ? unsafe roots.push(slot) : unsafe nodes.push(slot) }
  }

  @inline(__always)
  private static func withLock<Result>(_ body: () -> Result) -> Result {
    let interrupts = lock.lock()
    let result = body()
    lock.unlock(interrupts)
    return result
  }
}

/// A chain of pooled nodes, each with a unique count. Access: under the pool's lock.
///
/// On a cache line of its own, apart from statics that are read whenever a cursor is opened.
private struct NodeChain {
  private let before = CacheLinePadding()
  private var first: FrameSlotReference?
  /// The number of nodes; `NodePool.capacity` in a closed chain, which is always full.
  private var count: Int

  init(isClosed: Bool = false) { count = isClosed ? NodePool.capacity : 0 }

  /// The number of nodes in the chain.
  var nodeCount: Int { first == nil ? 0 : count }

  /// Removes the first node; nil if the chain is empty.
  @inline(__always)
  mutating func pop() -> FrameSlotReference? {
    guard let slot = first else { return nil }
    // SAFETY: every frame in the chain is a node.
    first = unsafe PageTableNode(at: slot.address).next
    count -= 1
    return slot
  }

  /// Adds the node of `slot`. Returns false if the chain is full.
  @inline(__always)
  mutating func push(_ slot: FrameSlotReference) -> Bool {
    guard count < NodePool.capacity else { return false }
    // SAFETY: the caller made it a node, and owns it alone.
    unsafe PageTableNode(at: slot.address).next = first
    first = slot
    count += 1
    return true
  }
}
