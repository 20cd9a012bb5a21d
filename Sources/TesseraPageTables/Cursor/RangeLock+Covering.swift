internal import TesseraFrames
internal import TesseraHardware

// Finding the covering node, and adding the nodes that are missing above it.
//
// Between the first entry that is read and the lock of the node that it leads to, other processors
// may detach and free that node, and its frame may be a table of another space when it is locked.
// `TreeVersion` tells.

/// A locked node, its level, and the slot of its frame.
typealias CoveringNode = (node: PageTableNode, level: PagingLevel, slot: FrameSlotReference)

extension RangeLock {
  /// Locks the leaf table that spans the addresses from `start` up to `end` and more, if there is
  /// one in tables of four levels, and its lock is not held. Otherwise the caller goes another way,
  /// which waits; were that done here, it would be in every function that opens a cursor.
  @inline(__always)
  static func lockLeafTable(
    _ root: PageTableNode, _ start: VirtualAddress, _ end: VirtualAddress
  ) -> CoveringNode? {
    let version = TreeVersion()
    guard start.rawValue ^ (end.rawValue &- 1) < PagingLevel.leafTable.tableSpan &- 1,
      PagingMode.current.rootLevel.number == 4, let node = root.leafTable(for: start, in: version)
    else { return nil }
    let slot = node.slot
    guard PageTableNode.tryAcquireLock(slot, while: version) else { return nil }
    return (node, .leafTable, slot)
  }

  /// Locks the deepest node under `root` that spans the addresses from `start` to `last` and more.
  ///
  /// Repeated when another processor has detached a node meanwhile, any node, or has added
  /// a deeper one.
  static func lockCovering(
    _ root: PageTableNode, _ start: VirtualAddress, _ last: VirtualAddress
  ) -> CoveringNode {
    let largestOffset = last.distance(from: start)
    while true {
      let version = TreeVersion()
      let found = root.walk(to: start, in: version) { entry, level in
        entry.isTable && start.index(at: level) == last.index(at: level)
          && largestOffset < level.span &- 1
      }
      guard let (node, level) = found, node.acquireLock(while: version) else { continue }
      // A child may have been added before the lock was acquired.
      let index = start.index(at: level)
      let hasDeeper =
        level > .leafTable && index == last.index(at: level) && node[index].isTable
        && largestOffset < level.span &- 1
      if !hasDeeper { return (node, level, node.slot) }
      node.releaseLock()
    }
  }

  /// Locks the covering node of the addresses from `start` to `last`, which is added if it is
  /// missing, with those above it: with nodes from `reserve` as far as they go.
  ///
  /// Returns nil if there is no memory for that, with no lock held and nothing changed.
  static func addCovering(
    _ root: PageTableNode, _ start: VirtualAddress, _ last: VirtualAddress,
    from reserve: inout NodeReservation
  ) -> CoveringNode? {
    let found = lockCovering(root, start, last)
    let (node, level, _) = found
    let coveringLevel = PagingLevel(covering: start, last)
    // SAFETY: the lock has just been acquired.
    let top = unsafe LockedNode(holding: node, level: level)
    // A large page or a status stays whole: the node that it is in covers the range.
    guard level > coveringLevel, top[top.index(of: start)].isAbsent else { return found }
    var reservation = NodeReservation()
    do throws(TesseraError) {
      reservation = try NodeReservation(level.number - coveringLevel.number, from: &reserve)
    } catch {
      node.releaseLock()
      return nil
    }
    let isUser = Int64(bitPattern: start.rawValue) >= 0
    _ = top.addTables(at: start, downTo: coveringLevel, isUser: isUser, from: &reservation)
    return releaseAbove(coveringLevel, from: top, at: start)
  }

  /// Releases the locks of the nodes from `top` down to the one of `level` that spans `address`,
  /// which stays locked. Each is released only while that of the next is held, which thus is not
  /// detached.
  private static func releaseAbove(
    _ level: PagingLevel, from top: LockedNode, at address: VirtualAddress
  ) -> CoveringNode {
    var parent = top.node
    let covering = top.descend(to: address, downTo: level) { node, _ in
      parent.releaseLock()
      parent = node
    }
    return (covering.node, covering.level, covering.node.slot)
  }
}

extension PagingLevel {
  /// The level of the smallest node that spans the addresses from `start` to `last` and more.
  ///
  /// One that spans these addresses alone is not wanted: an entry of its parent can map them as a
  /// large page, or give them a status.
  fileprivate init(covering start: VirtualAddress, _ last: VirtualAddress) {
    var level = PagingLevel.leafTable
    while level < PagingMode.current.rootLevel
      && (start.rawValue ^ last.rawValue >= level.tableSpan
        || last.distance(from: start) == level.tableSpan &- 1)
    {
      level = level.above
    }
    self = level
  }
}
