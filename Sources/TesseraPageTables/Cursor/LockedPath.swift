internal import TesseraHardware

/// The nodes of a locked tree from the covering node down to the lowest one that spans an address.
struct LockedPath: ~Escapable {
  private let nodes: InlineArray<5, PageTableNode>
  let address: VirtualAddress
  let topLevel: PagingLevel
  let lowestLevel: PagingLevel

  /// The path to `address`, which is in the range of `tree`.
  @inline(__always)
  @_lifetime(borrow tree)
  init(in tree: borrowing LockedTree, to address: VirtualAddress) {
    self.init(from: tree.covering, to: address)
  }

  /// The path from `top` to `address`.
  ///
  /// `acquire` is called with each node below `top` and the bytes it spans, before an entry of it
  /// is read. A caller that does not hold their locks yet acquires them there: until then another
  /// processor may be removing the node's children.
  @inline(__always)
  @_lifetime(copy top)
  init(
    from top: LockedNode, to address: VirtualAddress,
    acquire: (PageTableNode, _ span: UInt64) -> Void = { _, _ in }
  ) {
    var nodes = InlineArray<5, PageTableNode>(repeating: top.node)
    let lowest = top.descend(to: address) { node, level in
      acquire(node, level.above.span)
      nodes[level.number - 1] = node
    }
    self.nodes = nodes
    topLevel = top.level
    self.address = address
    lowestLevel = lowest.level
  }

  /// The node of `level`, which is one from the lowest to the top.
  @_lifetime(copy self)
  func node(at level: PagingLevel) -> LockedNode {
    // SAFETY: the path was made from nodes that are locked for as long as it lives.
    unsafe LockedNode(holding: nodes[level.number - 1], level: level)
  }

  var lowest: LockedNode {
    @_lifetime(copy self)
    get { node(at: lowestLevel) }
  }

  /// The index of the address's entry in the node of `level`.
  func index(at level: PagingLevel) -> Int { address.index(at: level) }

  /// Calls `body` with each node below the top one, the lowest first, and the bytes it spans.
  func forEachBelowReversed(_ body: (PageTableNode, UInt64) -> Void) {
    var level = lowestLevel
    while level < topLevel {
      body(nodes[level.number - 1], level.above.span)
      level = level.above
    }
  }

  /// The first address of the part that needs no further path: all of a leaf table; above, the
  /// entry of the address, and those before it that refer to no table either.
  var start: VirtualAddress {
    let base = address.alignedDown(to: lowestLevel.tableSpan)
    guard lowestLevel > .leafTable else { return base }
    let node = lowest
    var index = node.index(of: address)
    while index > 0 && !node[index - 1].isOwnTable {
      index = node[index - 1].isAbsent ? node.node.endOfUsed(before: index) : index - 1
    }
    return base.advanced(unchecked: UInt64(index) << lowestLevel.shift)
  }

  /// The address after the part that needs no further path: all of a leaf table; above, the entry
  /// of the address, and those after it that refer to no table either. Zero at the top of the
  /// address space.
  var end: VirtualAddress {
    let base = address.alignedDown(to: lowestLevel.tableSpan)
    guard lowestLevel > .leafTable else { return base.advanced(unchecked: lowestLevel.tableSpan) }
    let node = lowest
    var index = node.index(of: address) + 1
    while index < 512 && !node[index].isOwnTable {
      index = node[index].isAbsent ? node.node.firstUsed(from: index) : index + 1
    }
    return base.advanced(unchecked: UInt64(index) << lowestLevel.shift)
  }
}
