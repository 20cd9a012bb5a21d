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
}
