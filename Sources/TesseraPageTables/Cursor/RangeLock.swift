internal import TesseraFrames
internal import TesseraHardware

/// The locks of a range: the covering node, and every node below it that meets the range.
///
/// They are taken in one global order, parents before children and children by ascending address,
/// with one lock at most held during the descent; that is why nobody waits in a circle.
enum RangeLock {
  /// Locks the deepest node under `root` that spans the bytes from `start` to `last`.
  ///
  /// The descent takes no lock, so a node that it meets may be taken out of the tree in the
  /// meantime: then it starts again. Nodes that are missing are not made here.
  @inline(__always)
  static func lockCovering(
    _ root: PageTableNode, _ start: UInt64, _ last: UInt64
  ) -> (PageTableNode, PagingLevel) {
    Epoch.enter()
    defer { Epoch.leave() }
    if (start ^ last) < PagingLevel.leafTable.tableSpan,
      let node = root.ownLeafTable(for: VirtualAddress(start)), node.lockUnlessDetached()
    {
      return (node, .leafTable)
    }
    return lockCoveringSlow(root, start, last)
  }

  @inline(never)
  private static func lockCoveringSlow(
    _ root: PageTableNode, _ start: UInt64, _ last: UInt64
  ) -> (PageTableNode, PagingLevel) {
    while true {
      var node = root
      var level = PagingMode.current.rootLevel
      while let child = child(of: node, level, start, last) {
        node = child
        level = level.below
      }
      node.lock()
      // A child may have been made, or the node been detached, before the lock was there.
      if !node.isDetached && child(of: node, level, start, last) == nil { return (node, level) }
      node.unlock()
    }
  }

  /// The child of `node` that spans the bytes from `start` to `last`, if one does.
  @inline(__always)
  private static func child(
    of node: PageTableNode, _ level: PagingLevel, _ start: UInt64, _ last: UInt64
  ) -> PageTableNode? {
    guard level.number > 1 else { return nil }
    let index = VirtualAddress(start).index(at: level)
    guard index == VirtualAddress(last).index(at: level) else { return nil }
    let entry = node[index]
    guard entry.isTable else { return nil }
    // SAFETY: the caller holds the node's lock, or is inside an epoch, which keeps nodes.
    return unsafe PageTableNode(at: entry.tableAddress)
  }

  /// Locks the nodes below the locked node `covering` that meet the range.
  @inline(__always)
  static func lockBelow(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: UInt64, _ byteCount: UInt64
  ) {
    if level.number > 1 { lockChildren(covering, level, start, byteCount) }
  }

  @inline(never)
  private static func lockChildren(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: UInt64, _ byteCount: UInt64
  ) {
    var offset: UInt64 = 0
    while offset < byteCount {
      let address = start &+ offset
      let path = TablePath(from: covering, level, to: address) { node, span in
        let isFirstVisit = offset == 0 || address % span == 0
        if isFirstVisit { node.lock() }
      }
      offset = path.endOfLowest(address) &- start
    }
  }

  /// Lets the locks go in the reverse order.
  @inline(__always)
  static func unlock(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: UInt64, _ byteCount: UInt64
  ) {
    if level.number > 1 { unlockBelow(covering, level, start, byteCount) }
    covering.unlock()
  }

  @inline(never)
  private static func unlockBelow(
    _ covering: PageTableNode, _ level: PagingLevel, _ start: UInt64, _ byteCount: UInt64
  ) {
    // Bytes from the start of the range that are left, seen from its end.
    var left = byteCount
    while left > 0 {
      let last = start &+ (left &- 1)
      let path = TablePath(from: covering, level, to: last)
      let first = max(path.startOfLowest(last), start)
      path.forEachBelowReversed { node, span in
        let isLastVisit = first == start || first % span == 0
        if isLastVisit { node.unlock() }
      }
      left = first &- start
    }
  }
}

/// The nodes from a covering node down to the lowest one that spans an address.
struct TablePath {
  private var nodes: InlineArray<5, PageTableNode>
  private let topLevel: PagingLevel
  private let address: UInt64
  private(set) var lowestLevel: PagingLevel

  /// The caller holds the locks of all these nodes, or has them to itself; or it holds that of
  /// `top`, and takes the others in `onTheWay`, which is called with each node below the top one
  /// and the bytes that it spans, before an entry of it is read: until then another processor may
  /// have been taking its children out.
  @inline(__always)
  init(
    from top: PageTableNode, _ level: PagingLevel, to address: UInt64,
    onTheWay: (PageTableNode, _ byteCount: UInt64) -> Void = { _, _ in }
  ) {
    nodes = InlineArray(repeating: top)
    topLevel = level
    self.address = address
    lowestLevel = level
    while lowestLevel.number > 1 {
      let entry = lowest[VirtualAddress(address).index(at: lowestLevel)]
      guard entry.isTable else { break }
      // SAFETY: the lock of its parent keeps it.
      let child = unsafe PageTableNode(at: entry.tableAddress)
      onTheWay(child, lowestLevel.span)
      lowestLevel = lowestLevel.below
      nodes[lowestLevel.number - 1] = child
    }
  }

  var lowest: PageTableNode { nodes[lowestLevel.number - 1] }

  /// The node of `level`, which is one from the lowest to the top.
  func node(at level: PagingLevel) -> PageTableNode { nodes[level.number - 1] }

  /// Which entry of the node of `level` the address is under.
  func index(at level: PagingLevel) -> Int { VirtualAddress(address).index(at: level) }

  /// Calls `body` for each node below the top one, from below, with the bytes that it spans.
  func forEachBelowReversed(_ body: (PageTableNode, UInt64) -> Void) {
    var level = lowestLevel
    while level.number < topLevel.number {
      body(nodes[level.number - 1], level.above.span)
      level = level.above
    }
  }

  /// Where the part begins that the walk to `address` has dealt with: all of a leaf table; above,
  /// the entry at which it stopped, and those before it that lead to no table either.
  func startOfLowest(_ address: UInt64) -> UInt64 {
    guard lowestLevel.number > 1 else { return startOfLowestNode(address) }
    let node = lowest
    var index = VirtualAddress(address).index(at: lowestLevel)
    while index > 0 && !node[index - 1].isTable { index -= 1 }
    return startOfLowestNode(address) &+ UInt64(index) << lowestLevel.shift
  }

  /// The byte after the part that the walk to `address` has dealt with: all of a leaf table; above,
  /// the entry at which it stopped, and those after it that lead to no table either. Zero at the
  /// top of the address space.
  func endOfLowest(_ address: UInt64) -> UInt64 {
    guard lowestLevel.number > 1 else {
      return startOfLowestNode(address) &+ lowestLevel.tableSpan
    }
    let node = lowest
    var index = VirtualAddress(address).index(at: lowestLevel) + 1
    while index < 512 && !node[index].isTable { index += 1 }
    return startOfLowestNode(address) &+ UInt64(index) << lowestLevel.shift
  }

  private func startOfLowestNode(_ address: UInt64) -> UInt64 {
    address & ~(lowestLevel.tableSpan &- 1)
  }
}
