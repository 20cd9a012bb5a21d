internal import TesseraFrames
internal import TesseraHardware

/// The lock of a range of an address space, and the TLB flush that has to precede its release.
///
/// Acquiring it takes four steps (LockProtocol.md has the whole story):
///
/// 1. Walk from the root without locks to the deepest node that spans the range and more.
/// 2. Lock it. If it was detached meanwhile, or a deeper node has appeared, start again.
/// 3. Add the nodes that are missing below it, so that the last of them covers the range, and
///    release those above that.
/// 4. Lock every node below the covering node that meets the range, parents before children and
///    children by ascending address.
///
/// All locks are acquired in this one global order, and none is held during the walk, so no circle
/// of waiters can form. Cursors on overlapping ranges meet in a node and follow one another;
/// cursors on disjoint ranges under different covering nodes never meet.
///
/// Destroying it flushes, releases the locks in reverse order, frees what was unmapped, and removes
/// the covering node if it was left empty.
///
/// Public, though nothing of it is: Embedded Swift runs the `deinit` of public types only in other
/// modules.
public struct RangeLock: ~Copyable {
  let tree: LockedTree
  var flusher: TLBFlusher

  /// Locks the addresses from `start` up to `end` of the tables under `root`, below the deepest
  /// node that spans them and more: step 3 is left out.
  ///
  /// The caller has checked the range: not empty, multiples of 4096, within one half of the address
  /// space. It stays on this processor until this is destroyed, and `root` outlives it.
  @inline(__always)
  init(_ root: PageTableNode, from start: VirtualAddress, to end: VirtualAddress) {
    let covering = Self.lockLeafTable(root, start, end) ?? Self.lockNodes(root, start, end)
    self.init(below: covering, under: root, from: start, to: end)
  }

  /// As `init(_:from:to:)`, and adds missing nodes, so that no other range is locked.
  ///
  /// Throws `outOfFrames`, with no lock held and nothing changed.
  @inline(__always)
  init(
    addingNodesTo root: PageTableNode, from start: VirtualAddress, to end: VirtualAddress
  ) throws(TesseraError) {
    let covering: CoveringNode
    if let table = Self.lockLeafTable(root, start, end) {
      covering = table
    } else if let added = Self.addAndLockNodes(root, start, end) {
      covering = added
    } else {
      throw .outOfFrames
    }
    self.init(below: covering, under: root, from: start, to: end)
  }

  /// As `init(addingNodesTo:from:to:)`, with nodes from `reserve` as far as they go.
  @inline(never)
  init(
    addingNodesTo root: PageTableNode, from start: VirtualAddress, to end: VirtualAddress,
    _ reserve: inout NodeReservation
  ) throws(TesseraError) {
    guard let covering = Self.addAndLockNodes(root, start, end, from: &reserve) else {
      throw .outOfFrames
    }
    self.init(below: covering, under: root, from: start, to: end)
  }

  /// The node `covering` is locked, and every node below it that meets the range.
  @inline(__always)
  private init(
    below covering: CoveringNode, under root: PageTableNode, from start: VirtualAddress,
    to end: VirtualAddress
  ) {
    // SAFETY: the nodes are locked.
    unsafe tree = LockedTree(holding: covering, under: root, from: start, to: end)
    flusher = TLBFlusher(isGlobal: tree.isKernel)
  }

  @inline(__always)
  deinit {
    let tree = tree
    // No lock is released, and nothing freed, before every processor that may have a translation
    // has flushed it.
    let deferred = flusher.flush(tree.root)
    // SAFETY: the lock is still held.
    let covering = unsafe LockedNode(
      holding: tree.coveringNode, level: tree.coveringLevel, slot: tree.coveringSlot)
    let isEmpty = covering.presentCount == 0
    Self.unlock(covering, tree.coveringSlot, tree.start, tree.end)
    _ = consume deferred
    if isEmpty { EmptyNodes.reclaim(under: tree.root, at: tree.start, from: tree.coveringLevel) }
  }
}

extension RangeLock {
  /// Flushes the TLB as the changes so far require. Returns what they have unmapped, which is freed
  /// when that is destroyed: once this is, because a destructor must not run with a node locked.
  mutating func flush() -> DeferredFrames {
    flusher.flushSoFar(tree.root)
  }

  /// Locks the deepest node that spans the addresses from `start` up to `end` and more, and every
  /// node below it that meets them. Returns the first.
  @inline(never)
  private static func lockNodes(
    _ root: PageTableNode, _ start: VirtualAddress, _ end: VirtualAddress
  ) -> CoveringNode {
    let last = VirtualAddress(end.rawValue &- 1)
    let covering = lockCovering(root, start, last)
    lockBelow(covering.node, covering.level, start, end)
    return covering
  }

  /// As `lockNodes`, and adds nodes that are missing above. Returns nil if there is no memory for
  /// that, with no lock held and nothing changed.
  ///
  /// Does not throw: that would cost the callers, which are inlined, a register.
  @inline(never)
  private static func addAndLockNodes(
    _ root: PageTableNode, _ start: VirtualAddress, _ end: VirtualAddress
  ) -> CoveringNode? {
    var none = NodeReservation()
    return addAndLockNodes(root, start, end, from: &none)
  }

  /// As `addAndLockNodes(_:_:_:)`, with nodes from `reserve` as far as they go.
  private static func addAndLockNodes(
    _ root: PageTableNode, _ start: VirtualAddress, _ end: VirtualAddress,
    from reserve: inout NodeReservation
  ) -> CoveringNode? {
    let last = VirtualAddress(end.rawValue &- 1)
    guard let covering = addCovering(root, start, last, from: &reserve) else { return nil }
    lockBelow(covering.node, covering.level, start, end)
    return covering
  }

  /// Locks the nodes below the locked node `covering` that meet the range.
  private static func lockBelow(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: VirtualAddress, _ end: VirtualAddress
  ) {
    if level == .leafTable { return }
    // SAFETY: the caller holds the lock.
    let top = unsafe LockedNode(holding: covering, level: level)
    var address = start
    while address < end {
      let path = LockedPath(from: top, to: address) { node, span in
        let isFirstVisit = address == start || address.isAligned(to: span)
        if isFirstVisit { node.acquireLock() }
      }
      let next = path.end
      // The end of a path at the top of the address space is zero.
      guard next > address else { return }
      address = next
    }
  }

  /// Releases the locks in the reverse order.
  @inline(__always)
  private static func unlock(
    _ covering: LockedNode, _ slot: FrameSlotReference, _ start: VirtualAddress,
    _ end: VirtualAddress
  ) {
    if covering.level > .leafTable { unlockBelow(covering, start, end) }
    slot.unlock()
  }

  @inline(never)
  private static func unlockBelow(
    _ covering: LockedNode, _ start: VirtualAddress, _ end: VirtualAddress
  ) {
    var end = end
    while end > start {
      let path = LockedPath(from: covering, to: VirtualAddress(end.rawValue &- 1))
      let first = max(path.start, start)
      path.forEachBelowReversed { node, span in
        let isLastVisit = first == start || first.isAligned(to: span)
        if isLastVisit { node.releaseLock() }
      }
      end = first
    }
  }
}
