public import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Maps `frame`, of whatever size, at the position; the mapping then owns the reference.
  ///
  /// Throws `alreadyMapped` or `outOfFrames`; `frame` is then still there. Traps if the position is
  /// not a multiple of the frame's size, or the range has less room.
  @inline(__always)
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, as property: PageProperty
  ) throws(TesseraError) {
    if let leaf = smallUserLeaf(of: frame?.slot, property), lock.tree.putLeaf(leaf, at: position) {
      position = position.advanced(unchecked: PageSize.fourKiB.byteCount)
      _ = frame.take()?.relinquishSlot()
    } else {
      try mapSlow(&frame, property)
    }
  }

  /// The leaf that maps the frame of `slot` at the position, if that is a 4 KiB frame for a user
  /// page inside the range.
  @inline(__always)
  private func smallUserLeaf(
    of slot: FrameSlotReference?, _ property: PageProperty
  ) -> PageTableEntry? {
    guard let slot, slot.kind.isSmall, !isAtEnd, property.isUser, !isKernel else { return nil }
    return LeafTemplate(property, size: .fourKiB, ownsFrame: true).entry(at: slot.address)
  }

  /// As `map`, wherever the page is and however large.
  @inline(__always)
  private mutating func mapSlow<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, _ property: PageProperty
  ) throws(TesseraError) {
    // Moved, because a reference to it would force the cursor into memory.
    var moved = NodeReservation()
    swap(&moved, &reserve)
    defer { swap(&moved, &reserve) }
    position = try Self.map(&frame, property, at: position, in: lock.tree, from: &moved)
  }

  /// Maps `frame` at `position`, and returns the address after it.
  @inline(never)
  private static func map<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, _ property: PageProperty, at position: VirtualAddress,
    in tree: borrowing LockedTree, from reserve: inout NodeReservation
  ) throws(TesseraError) -> VirtualAddress {
    guard let slot = frame?.slot else { panic("cursor was given no frame to map") }
    let size = slot.kind.size
    let end = tree.checkedEnd(size.byteCount, after: position)
    require(position.isAligned(to: size), "address is not a multiple of the page size")
    let leaf = LeafTemplate(tree.checked(property), size: size, ownsFrame: true)
      .entry(at: slot.address)
    if try !put(leaf, size, at: position, in: tree, from: &reserve) {
      try putParts(of: leaf, size, at: position, in: tree, from: &reserve)
    }
    _ = frame.take()?.relinquishSlot()
    return end
  }

  /// Stores `leaf` of `size` at `position`, adding nodes that are missing. Returns false if its
  /// entry refers to a table, or lies in one, of smaller pages.
  static func put(
    _ leaf: PageTableEntry, _ size: PageSize, at position: VirtualAddress,
    in tree: borrowing LockedTree, from reserve: inout NodeReservation
  ) throws(TesseraError) -> Bool {
    let level = PagingLevel(leafOf: size)
    let node = tree.lowestNode(at: position, downTo: level)
    let entry = node[node.index(of: position)]
    if node.level < level || entry.isTable { return false }
    if entry.isLeaf { throw .alreadyMapped(position) }
    var reservation = try NodeReservation(node.level.number - level.number, from: &reserve)
    node.addTables(at: position, downTo: level, isUser: !tree.isKernel, from: &reservation)
      .put(leaf, at: position.index(at: level))
    return true
  }
}

extension Cursor {
  /// Maps the frames of `segment` from the position; the mappings then own its references.
  ///
  /// Throws `alreadyMapped` or `outOfFrames`; `segment` is then still there.
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty
  ) throws(TesseraError) {
    guard let byteCount = segment?.byteCount, var address = segment?.address else {
      panic("cursor was given no segment to map")
    }
    try mapEach(byteCount, property) {
      let next = address
      address = PhysicalAddress(unchecked: next.rawValue &+ PageSize.fourKiB.byteCount)
      return next
    }
    _ = segment.take()?.relinquishFirst()
  }

  /// Maps `pageCount` frames from the position: each time the next one that `supply` returns, whose
  /// reference the mapping then owns.
  ///
  /// Throws `alreadyMapped` or `outOfFrames` before `supply` is called. `supply` must not open a
  /// cursor over the same pages.
  @inline(__always)
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    pageCount: Int, as property: PageProperty, _ supply: () -> Frame<Metadata>
  ) throws(TesseraError) {
    require(pageCount >= 0 && pageCount < 1 << 51, "page count is negative or too large")
    try mapEach(UInt64(pageCount) * PageSize.fourKiB.byteCount, property) {
      supply().relinquishSlot().address
    }
  }

  /// Maps frames of 4 KiB in the next `byteCount` bytes, each at the address that `supply` returns,
  /// whose reference the entry then owns. Throws before `supply` is called.
  @inline(__always)
  private mutating func mapEach(
    _ byteCount: UInt64, _ property: PageProperty, _ supply: () -> PhysicalAddress
  ) throws(TesseraError) {
    let template = LeafTemplate(lock.tree.checked(property), size: .fourKiB, ownsFrame: true)
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    var reservation = try reserveNodes(
      try missingNodeCount(toFill: byteCount, wholeUpTo: .leafTable))
    while position < end {
      let count = lock.tree.putLeaves(from: position, to: end, &reservation) {
        template.entry(at: supply())
      }
      position = position.advanced(unchecked: UInt64(count) &* PageSize.fourKiB.byteCount)
    }
  }

  /// The number of nodes that are missing to fill the next `byteCount` bytes with entries up to
  /// level `largest`.
  ///
  /// Throws `alreadyMapped` if a page there is mapped. Allocates nothing, and does not move.
  package func missingNodeCount(
    toFill byteCount: UInt64, wholeUpTo largest: PagingLevel
  ) throws(TesseraError) -> Int {
    let end = checkedEnd(byteCount)
    return byteCount == 0
      ? 0 : try lock.tree.missingNodeCount(from: position, to: end, wholeUpTo: largest)
  }

  /// Maps `byteCount` bytes of device memory, or of other memory that has no owner, from `address`,
  /// in the largest pages that fit.
  ///
  /// The caller keeps the memory for as long as it is mapped. Throws `alreadyMapped` or
  /// `outOfFrames`. Traps if `address` is not a multiple of 4096, or lies beyond what the processor
  /// can address.
  @unsafe public mutating func mapDevice(
    _ address: PhysicalAddress, byteCount: UInt64, as property: PageProperty
  ) throws(TesseraError) {
    require(address.isAligned(to: .fourKiB), "device memory is not page-aligned", address)
    require(
      address.advanced(byChecked: byteCount).map { $0 <= PagingMode.current.physicalAddressLimit }
        ?? false, "device memory lies beyond what the processor can address", address)
    let property = lock.tree.checked(property)
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    let largest = PagingLevel(largestLeafMapping: position, to: address)
    var reservation = try reserveNodes(
      try lock.tree.missingNodeCount(from: position, to: end, wholeUpTo: largest))
    // Made once; only how large the largest are is not known.
    let small = LeafTemplate(property, size: .fourKiB, ownsFrame: false)
    let large = LeafTemplate(property, size: .twoMiB, ownsFrame: false)
    let other = LeafTemplate(property, size: largest.pageSize ?? .fourKiB, ownsFrame: false)
    lock.tree.fill(from: position, to: end, wholeUpTo: largest, &reservation) { level, distance in
      let template = level.number == 1 ? small : level.number == 2 ? large : other
      return template.entry(at: PhysicalAddress(unchecked: address.rawValue &+ distance))
    }
    position = end
  }
}
