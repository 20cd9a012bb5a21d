internal import TesseraHardware

// A large leaf where it cannot be one, because there are tables for smaller pages: its parts.

extension CursorState {
  /// Maps the parts of `leaf` of `size`, whose count the caller gives, in the next bytes of the
  /// position, and moves past them. Throws as `map`.
  mutating func mapParts(of leaf: PageTableEntry, _ size: PageSize) throws(MapError) {
    let largest = PagingLevel(leafOf: size)
    var reservation = try prepareNodes(size.byteCount, wholeUpTo: largest)
    fill(size.byteCount, withPartsOf: leaf, size, wholeUpTo: largest, from: &reservation)
    // SAFETY: this count is the caller's; each part has one of its own.
    unsafe Mapping.release(leaf, size: size)
  }

  /// Fills the next `byteCount` bytes, which are vacant, with parts of `leaf` of `size`, from its
  /// first on, as `fill` does, and moves past them. Adds a count for each.
  @inline(__always)
  mutating func fill(
    _ byteCount: UInt64, withPartsOf leaf: PageTableEntry, _ size: PageSize,
    wholeUpTo largest: PagingLevel, from reservation: inout NodeReservation
  ) {
    fill(byteCount, wholeUpTo: largest, from: &reservation) { level, distance in
      leaf.sharedPart(size, of: level, at: distance)
    }
  }

  /// Puts the parts of `leaf` of `size`, whose count the caller gives, in the place of the leaves
  /// at the position, and moves past them. `node` of `level` is the highest to which they belong.
  mutating func replaceParts(
    by leaf: PageTableEntry, _ size: PageSize, _ node: PageTableNode, _ level: PagingLevel
  ) {
    guard level < PagingLevel(leafOf: size) else {
      // All that the table of smaller pages holds goes with it.
      let old = node.exchange(leaf, at: index(address, level))
      // SAFETY: the cursor holds the table's lock.
      let table = unsafe PageTableNode(at: old.tableAddress)
      _ = table.abandon(level.below)
      flusher.hold(table)
      offset += size.byteCount
      return
    }
    let start = offset
    while offset - start < size.byteCount {
      let (node, level) = descend(to: address, level: .leafTable)
      guard let partSize = level.pageSize else { panic("a page has one of three sizes") }
      let part = leaf.sharedPart(size, of: level, at: offset - start)
      let old = node.exchange(part, at: index(address, level))
      if old.isPresent { flusher.enqueue(address, size: partSize) }
      flusher.hold(old, size: partSize)
      offset += level.span
    }
    // SAFETY: this count is the caller's; each part has one of its own.
    unsafe Mapping.release(leaf, size: size)
  }
}

extension PageTableEntry {
  /// The leaf of `level` that shows the part of this leaf of `size` that lies `distance` bytes from
  /// its first. Adds a count for it, if this is counted.
  @inline(__always)
  fileprivate func sharedPart(
    _ size: PageSize, of level: PagingLevel, at distance: UInt64
  ) -> PageTableEntry {
    guard let partSize = level.pageSize else { panic("a page has one of three sizes") }
    let memory = leafAddress(size: size).rawValue &+ distance
    let part = LeafTemplate(property(size: size), size: partSize, ownsFrame: ownsFrame)
      .entry(at: PhysicalAddress(unchecked: memory))
    if ownsFrame { Mapping.share(part, size: partSize) }
    return part
  }
}
