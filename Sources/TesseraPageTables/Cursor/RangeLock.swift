internal import TesseraFrames
internal import TesseraHardware

/// The lock of a range of an address space, and the TLB flush that has to precede its release.
///
/// Acquiring it takes three steps (LockProtocol.md has the whole story):
///
/// 1. Walk from the root without locks to the covering node, the deepest node that spans the range.
/// 2. Lock it. If it was detached meanwhile, or a deeper node has appeared, start again.
/// 3. Lock every node below it that meets the range, parents before children and children by
///    ascending address.
///
/// All locks are acquired in this one global order, and at most one is held during the walk, so no
/// circle of waiters can form. Cursors on overlapping ranges meet in a node and follow one another;
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

  /// Locks the addresses from `start` up to `end` of the tables under `root`.
  ///
  /// The caller has checked the range: not empty, multiples of 4096, within one half of the address
  /// space. It stays on this processor until this is destroyed, and `root` outlives it.
  @inline(__always)
  init(_ root: PageTableNode, from start: VirtualAddress, to end: VirtualAddress) {
    let (covering, level) = Self.lockCovering(root, start, VirtualAddress(end.rawValue &- 1))
    // SAFETY: the covering node has just been locked, and so will be those below it.
    unsafe tree = LockedTree(holding: covering, of: level, under: root, from: start, to: end)
    flusher = TLBFlusher(isGlobal: tree.isKernel)
    if level > .leafTable { Self.lockBelow(covering, level, start, end) }
  }

  @inline(__always)
  deinit {
    let tree = tree
    // Requests go out before a lock is released; nothing is freed before every processor that may
    // still use it has answered.
    let deferred = flusher.flush(isActive: tree.root.isActiveHere)
    let isEmpty = tree.coveringNode.presentCount == 0
    Self.unlock(tree.coveringNode, tree.coveringLevel, tree.start, tree.end)
    _ = consume deferred
    if isEmpty { EmptyNodes.reclaim(under: tree.root, at: tree.start, from: tree.coveringLevel) }
  }
}

extension RangeLock {
  /// Locks the deepest node under `root` that spans the addresses from `start` to `last`.
  ///
  /// Nodes that are missing are not made here.
  @inline(__always)
  private static func lockCovering(
    _ root: PageTableNode, _ start: VirtualAddress, _ last: VirtualAddress
  ) -> (PageTableNode, PagingLevel) {
    Epoch.enter()
    defer { Epoch.leave() }
    if start.rawValue ^ last.rawValue < PagingLevel.leafTable.tableSpan,
      PagingMode.current.rootLevel.number == 4, let node = root.leafTable(for: start),
      node.acquireLockUnlessDetached()
    {
      return (node, .leafTable)
    }
    return lockCoveringSlow(root, start, last)
  }

  @inline(never)
  private static func lockCoveringSlow(
    _ root: PageTableNode, _ start: VirtualAddress, _ last: VirtualAddress
  ) -> (PageTableNode, PagingLevel) {
    while true {
      let (node, level) = root.walk(to: start) { entry, level in
        entry.isTable && start.index(at: level) == last.index(at: level)
      }
      if node.acquireLockUnlessDetached() {
        // A child may have been added before the lock was acquired.
        let index = start.index(at: level)
        let hasDeeper =
          level > .leafTable && index == last.index(at: level) && node[index].isTable
        if !hasDeeper { return (node, level) }
        node.releaseLock()
      }
    }
  }

  /// Locks the nodes below the locked node `covering` that meet the range.
  @inline(never)
  private static func lockBelow(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: VirtualAddress, _ end: VirtualAddress
  ) {
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
    _ covering: PageTableNode, _ level: PagingLevel, _ start: VirtualAddress, _ end: VirtualAddress
  ) {
    if level > .leafTable { unlockBelow(covering, level, start, end) }
    covering.releaseLock()
  }

  @inline(never)
  private static func unlockBelow(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: VirtualAddress, _ end: VirtualAddress
  ) {
    // SAFETY: the caller still holds the lock.
    let top = unsafe LockedNode(holding: covering, level: level)
    var end = end
    while end > start {
      let path = LockedPath(from: top, to: VirtualAddress(end.rawValue &- 1))
      let first = max(path.start, start)
      path.forEachBelowReversed { node, span in
        let isLastVisit = first == start || first.isAligned(to: span)
        if isLastVisit { node.releaseLock() }
      }
      end = first
    }
  }
}
