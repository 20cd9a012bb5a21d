package import TesseraFrames
package import TesseraHardware

// Mapping one page that has the size of its frame, whatever tables are there. `map` would map it in
// parts where there is a table of smaller pages.

extension Cursor {
  /// Maps `frame` at the position as one page; the mapping then owns the reference. A table of
  /// smaller pages that map nothing is removed, with their statuses.
  ///
  /// Throws and traps as `map(_:as:)`.
  package mutating func mapWhole<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, as property: PageProperty
  ) throws(TesseraError) {
    guard let slot = frame?.slot else { panic("cursor was given no frame to map") }
    let size = slot.kind.size
    let template = LeafTemplate(lock.tree.checked(property), size: size, ownsFrame: true)
    try putWhole(template.entry(at: slot.address), size)
    _ = frame.take()?.relinquishSlot()
  }

  /// Maps the `size` bytes of memory without owner at `address`, a multiple of `size`, at the
  /// position as one page. As `mapWhole(_:as:)` and `mapDevice`.
  @unsafe package mutating func mapDevice(
    _ address: PhysicalAddress, asWhole size: PageSize, as property: PageProperty
  ) throws(TesseraError) {
    require(
      PagingMode.current.allowsLeaf(at: address, size: size),
      "device memory lies beyond what the processor can address", address)
    let template = LeafTemplate(lock.tree.checked(property), size: size, ownsFrame: false)
    try putWhole(template.entry(at: address), size)
  }

  /// Stores `leaf` of `size` at the position, and moves past it. Throws `alreadyMapped` and
  /// `outOfFrames`.
  ///
  /// If the invalidation of what was mapped there is pending, it is carried out first: no processor
  /// must have translations of two sizes for one page, nor an old one when this returns.
  private mutating func putWhole(_ leaf: PageTableEntry, _ size: PageSize) throws(TesseraError) {
    let end = checkedEnd(size.byteCount)
    require(position.isAligned(to: size), "address is not a multiple of the page size")
    _ = try missingNodeCount(toFill: size.byteCount, wholeUpTo: PagingLevel(leafOf: size))
    if lock.flusher.isPending(position, size) { lock.flusher.flushKeepingDeferred(lock.tree.root) }
    if !Self.replaceTable(by: leaf, size, at: position, in: lock.tree, &lock.flusher) {
      _ = try Self.put(leaf, size, at: position, in: lock.tree, from: &reserve)
    }
    position = end
  }

  /// Replaces the table of smaller pages at `position`, which maps nothing, by `leaf` of `size`.
  /// Returns false if there is none.
  private static func replaceTable(
    by leaf: PageTableEntry, _ size: PageSize, at position: VirtualAddress,
    in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> Bool {
    let level = PagingLevel(leafOf: size)
    let node = tree.lowestNode(at: position, downTo: level)
    let index = node.index(of: position)
    guard node.level == level, node[index].isTable else { return false }
    flusher.deferRelease(of: node.unlink(at: index, replacingBy: leaf))
    return true
  }
}
