public import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Maps `frame` at the position instead of what is mapped there, which is freed once no processor
  /// can reach it.
  ///
  /// Throws `notMapped` if the page or a part of it is not mapped, and `outOfFrames` if a larger
  /// page must be split and cannot be; `frame` is then still there.
  public mutating func replace<Metadata: UntypedContents & ~Copyable>(
    with frame: inout Frame<Metadata>?, as property: PageProperty
  ) throws(TesseraError) {
    guard let slot = frame?.slot else { panic("cursor was given no frame to map") }
    let size = slot.kind.size
    let end = checkedEnd(size.byteCount)
    require(position.isAligned(to: size), "address is not a multiple of the page size")
    let leaf = LeafTemplate(lock.tree.checked(property), size: size, ownsFrame: true).entry(
      at: slot.address)
    try lock.tree.requireMapped(from: position, to: end)
    try splitEdges(to: end)
    Self.exchange(leaf, size, at: position, in: lock.tree, &lock.flusher)
    position = end
    _ = frame.take()?.relinquishSlot()
  }

  /// Exchanges the entry at `position`, a leaf of `size` or a table of smaller pages, for `leaf`.
  ///
  /// The lock holds the node that it lies in: its covering node spans more than the range.
  private static func exchange(
    _ leaf: PageTableEntry, _ size: PageSize, at position: VirtualAddress,
    in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) {
    let level = PagingLevel(leafOf: size)
    let node = tree.lowestNode(at: position, downTo: level)
    require(node.level == level, "page to be replaced lies in a table of another level")
    let index = node.index(of: position)
    if node[index].isTable {
      // All that the table of smaller pages maps is freed with it.
      flusher.deferRelease(of: node.unlink(at: index, replacingBy: leaf))
    } else {
      let old = node.exchange(leaf, at: index)
      LeafOwnership.noteRemoval(of: old)
      flusher.retire(old, at: position, size: size)
    }
  }
}

extension LockedTree {
  /// Throws `notMapped` if any page from `start` up to `end` is not mapped.
  fileprivate func requireMapped(
    from start: VirtualAddress, to end: VirtualAddress
  ) throws(TesseraError) {
    var position = start
    while position < end {
      let node = lowestNode(at: position)
      var index = node.index(of: position)
      // All entries of a leaf table at once, without a descent to each.
      repeat {
        guard node[index].isLeaf else { throw .notMapped(position) }
        position = position.last(in: node.level.span).advanced(unchecked: 1)
        index += 1
      } while node.level == .leafTable && index < 512 && position < end
    }
  }
}
