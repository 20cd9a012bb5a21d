internal import TesseraFrames
internal import TesseraHardware

// Walks without locks. A node that an entry led to inside an epoch stays until its end, so every
// walk runs inside one. There are two: the general one, and the one for the case that every fault,
// translation and one-page cursor meets.

extension PageTableNode {
  /// Walks from this root towards `address`, for as long as `shouldEnter` returns true for the
  /// entry of each level. Returns the last node and its level.
  ///
  /// `shouldEnter` returns true only for entries that refer to a table in memory. The caller is
  /// inside an epoch.
  @inline(__always)
  func walk(
    to address: VirtualAddress, while shouldEnter: (PageTableEntry, PagingLevel) -> Bool
  ) -> (node: PageTableNode, level: PagingLevel) {
    var node = self
    var level = PagingMode.current.rootLevel
    while level > .leafTable {
      let entry = node[address.index(at: level)]
      guard shouldEnter(entry, level) else { break }
      // SAFETY: the epoch keeps the node.
      node = unsafe PageTableNode(at: entry.tableAddress)
      level = level.below
    }
    return (node, level)
  }

  /// The leaf table that spans `address` in the four-level tables under this root, all of whose
  /// entries on the way are Tessera's. Nil if there is none; callers then use `walk(to:while:)`.
  ///
  /// The caller is inside an epoch.
  @inline(__always)
  func leafTable(for address: VirtualAddress) -> PageTableNode? {
    ownChild(address.index(at: PagingLevel(4)))?
      .ownChild(address.index(at: PagingLevel(3)))?
      .ownChild(address.index(at: PagingLevel(2)))
  }

  @inline(__always)
  private func ownChild(_ index: Int) -> PageTableNode? {
    let entry = self[index]
    guard entry.isOwnTable else { return nil }
    // SAFETY: the epoch keeps the node.
    return unsafe PageTableNode(at: entry.ownTableAddress)
  }
}

extension PageTableNode {
  /// Calls `enter` with this node, of `level`, and every node below it, parents first, and `leave`
  /// with each, children first. Entries are read in between, so `enter` may change them.
  ///
  /// The caller holds the locks of all these nodes, or they are out of use.
  func visitSubtree(
    of level: PagingLevel, enter: (PageTableNode, PagingLevel) -> Void = { _, _ in },
    leave: (PageTableNode) -> Void = { _ in }
  ) {
    enter(self, level)
    if level > .leafTable && presentCount > 0 {
      for index in 0..<512 where self[index].isTable {
        // SAFETY: the caller keeps the nodes.
        unsafe PageTableNode(at: self[index].tableAddress)
          .visitSubtree(of: level.below, enter: enter, leave: leave)
      }
    }
    leave(self)
  }
}
