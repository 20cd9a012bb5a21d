internal import TesseraFrames
package import TesseraHardware

// Walks without locks. Nothing keeps the nodes on the way, so each entry is used only while the
// version of the tables is still that from before the walk; see `TreeVersion`. There are two: the
// general one, and the one for the case that every fault, translation and one-page cursor meets.

extension PageTableNode {
  /// Walks from this root towards `address`, for as long as `shouldEnter` returns true for the
  /// entry of each level. Returns the last node and its level, or nil if a node was detached since
  /// `version`.
  ///
  /// `shouldEnter` returns true only for entries that refer to a table in memory. What the caller
  /// reads of the node counts only if `version` is still the latest afterwards.
  @inline(__always)
  package func walk(
    to address: VirtualAddress, in version: TreeVersion,
    while shouldEnter: (PageTableEntry, PagingLevel) -> Bool
  ) -> (node: PageTableNode, level: PagingLevel)? {
    var node = self
    var level = PagingMode.current.rootLevel
    while level > .leafTable {
      let entry = node[address.index(at: level)]
      guard version.isLatest else { return nil }
      guard shouldEnter(entry, level) else { break }
      // SAFETY: the entry was in a table when the version was read, so this is memory, which is all
      // that reading takes. What is read counts only if the version stays.
      node = unsafe PageTableNode(at: entry.tableAddress)
      level = level.below
    }
    return (node, level)
  }

  /// The entry that spans `address` under this root, all of whose tables are Tessera's, and its
  /// level. It was there at some moment of the call.
  @inline(__always)
  package func settledEntry(
    at address: VirtualAddress
  ) -> (entry: PageTableEntry, level: PagingLevel) {
    while true {
      let version = TreeVersion()
      let found = walk(to: address, in: version) { entry, _ in entry.isTable }
      guard let (node, level) = found else { continue }
      let entry = node[address.index(at: level)].settled
      if version.isLatest { return (entry, level) }
    }
  }

  /// The leaf table that spans `address` in the four-level tables under this root, all of whose
  /// entries on the way are Tessera's. Nil if there is none, or if a node was detached since
  /// `version`; callers then use the other walk.
  ///
  /// What the caller reads of the table counts only if `version` is still the latest afterwards.
  @inline(__always)
  package func leafTable(for address: VirtualAddress, in version: TreeVersion) -> PageTableNode? {
    // SAFETY: the index is masked.
    unsafe leafTable(for: address, below: address.index(at: PagingLevel(4)), in: version)
  }

  /// As `leafTable(for:in:)`. `index`, below 512, is that of the root's entry for `address`.
  @inline(__always)
  @unsafe func leafTable(
    for address: VirtualAddress, below index: Int, in version: TreeVersion
  ) -> PageTableNode? {
    // The root is the caller's, and is not freed: the version need not be checked here.
    unsafe ownChild(unchecked: index)?
      .ownChild(address.index(at: PagingLevel(3)), in: version)?
      .ownChild(address.index(at: PagingLevel(2)), in: version)
  }

  /// `index` is below 512.
  @inline(__always)
  @unsafe private func ownChild(unchecked index: Int) -> PageTableNode? {
    let entry = unsafe self[unchecked: index]
    guard entry.isOwnTable else { return nil }
    // SAFETY: the entry refers to memory; see `walk(to:in:while:)`.
    return unsafe PageTableNode(at: entry.ownTableAddress)
  }

  @inline(__always)
  private func ownChild(_ index: Int, in version: TreeVersion) -> PageTableNode? {
    let entry = self[index]
    guard version.isLatest, entry.isOwnTable else { return nil }
    // SAFETY: as for `ownChild(unchecked:)`.
    return unsafe PageTableNode(at: entry.ownTableAddress)
  }
}

extension PageTableNode {
  /// Visits this node, of `level`, whose first entry spans `start`, and the nodes below it.
  ///
  /// `enter` is called with each node, its level and the address of its first entry, parents first;
  /// `leave` with each, children first. In nodes above the leaf tables, `child` is called with each
  /// entry that is not absent, its level and its address, and returns the node to visit, if any.
  /// `indices` are those of this node's entries to consider.
  ///
  /// The caller holds the locks of all these nodes, or they are out of use.
  func visitSubtree(
    of level: PagingLevel, from start: VirtualAddress = VirtualAddress(0),
    indices: Range<Int> = 0..<512,
    enter: (PageTableNode, PagingLevel, VirtualAddress) -> Void = { _, _, _ in },
    child: (PageTableEntry, PagingLevel, VirtualAddress) -> PageTableNode? = { entry, _, _ in
      PageTableNode.child(of: entry)
    },
    leave: (PageTableNode) -> Void = { _ in }
  ) {
    enter(self, level, start)
    if level > .leafTable {
      forEachUsed(indices) { index, entry in
        let address = VirtualAddress(start.rawValue &+ UInt64(index) << level.shift)
        child(entry, level, address)?
          .visitSubtree(of: level.below, from: address, enter: enter, child: child, leave: leave)
      }
    }
    leave(self)
  }

  /// The node that `entry` refers to, if it refers to one.
  private static func child(of entry: PageTableEntry) -> PageTableNode? {
    guard entry.isTable else { return nil }
    // SAFETY: the caller of `visitSubtree` keeps the nodes.
    return unsafe PageTableNode(at: entry.tableAddress)
  }
}
