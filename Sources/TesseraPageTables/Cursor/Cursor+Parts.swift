internal import TesseraHardware

// A large page where there are tables of smaller pages, or at an address that is aligned less than
// its memory: it is mapped as its parts.

extension Cursor {
  /// Stores the parts of `leaf` of `size`, whose reference the caller gives, from `position`.
  /// Throws as `map`.
  static func putParts(
    of leaf: PageTableEntry, _ size: PageSize, at position: VirtualAddress,
    in tree: borrowing LockedTree, from reserve: inout NodeReservation
  ) throws(TesseraError) {
    let end = position.advanced(unchecked: size.byteCount)
    let largest = PagingLevel(leafOf: size)
    var reservation = try NodeReservation(
      try tree.missingNodeCount(from: position, to: end, wholeUpTo: largest), from: &reserve)
    tree.fill(from: position, to: end, withPartsOf: leaf, size, wholeUpTo: largest, &reservation)
    // SAFETY: this reference is the caller's; each part has one of its own.
    unsafe LeafOwnership.release(leaf, size: size)
  }

  /// Replaces the leaves from the position by the parts of `leaf` of `size`, whose reference the
  /// caller gives. All entries lie wholly in them.
  mutating func replaceParts(by leaf: PageTableEntry, _ size: PageSize) {
    let start = position
    let end = checkedEnd(size.byteCount)
    while position < end {
      let distance = position.distance(from: start)
      position = Self.replacePart(
        of: leaf, size, distance, at: position, in: lock.tree, &lock.flusher)
    }
    // SAFETY: this reference is the caller's; each part has one of its own.
    unsafe LeafOwnership.release(leaf, size: size)
  }

  /// Replaces the entry at `position` by the part of `leaf` that lies `distance` bytes in. Returns
  /// the address after it.
  private static func replacePart(
    of leaf: PageTableEntry, _ size: PageSize, _ distance: UInt64, at position: VirtualAddress,
    in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> VirtualAddress {
    let node = tree.lowestNode(at: position)
    guard let partSize = node.level.pageSize else {
      panic("leaf is above the level of 1 GiB pages")
    }
    let part = LeafOwnership.sharedPart(of: leaf, size, of: node.level, at: distance)
    let old = node.exchange(part, at: node.index(of: position))
    flusher.retire(old, at: position, size: partSize)
    return position.advanced(unchecked: node.level.span)
  }
}
