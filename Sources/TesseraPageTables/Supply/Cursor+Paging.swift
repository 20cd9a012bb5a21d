package import TesseraFrames
package import TesseraHardware

// What the pager does with a page at the position of a cursor, which does not move. The page is one
// of 4 KiB; a large one counts as another page.

/// What is left of a page that the pager takes out of a space.
package enum PagePlace: Equatable, Sendable {
  /// Its contents are in a slot of the swap store, of which the caller has a reference.
  case swap(UInt32)
  /// It is a page of the memory object that is attached with this number.
  case object(UInt32)

  /// The entry of a page with `property` that is there.
  package func entry(_ property: PageProperty) -> PageTableEntry {
    switch self {
    case .swap(let slot): .swapped(slot, property)
    case .object(let number): .object(number, property)
    }
  }
}

extension Cursor {
  /// Whether the page at the position is mapped to the frame of `page` and owns a reference of it.
  package func maps(_ page: FrameSlotReference) -> Bool { leaf(of: page) != nil }

  /// The leaf at the position and its address, if it maps the frame of `page`.
  private func leaf(
    of page: FrameSlotReference
  ) -> (entry: PageTableEntry, address: VirtualAddress)? {
    let (entry, level) = entry(at: position)
    guard level == .leafTable, entry.isLeaf, entry.ownsFrame,
      entry.leafAddress(size: .fourKiB) == page.address
    else { return nil }
    return (entry, position)
  }

  /// The status of the page at the position, if the pager has it. The caller then has a reference
  /// of its slot in the swap store, if it is there.
  package func pagedStatus() -> PageTableEntry? {
    let status = entry(at: position).entry
    guard status.isPaged else { return nil }
    LeafOwnership.share(status: status)
    return status
  }

  /// Takes the frame of `page` out of the page at the position, and leaves `place` there; the entry
  /// then owns a reference of its slot. Returns whether the page was mapped to that frame.
  ///
  /// That the program wrote to a shared page is remembered in the slot of the frame, before the
  /// cursor gives up the mapping's reference of it.
  package mutating func takeOut(
    _ page: FrameSlotReference, leaving place: PagePlace
  ) -> Bool {
    guard let (entry, address) = leaf(of: page) else { return false }
    let status = place.entry(entry.propertyOfPaged)
    Self.exchange(for: status, at: address, in: lock.tree, &lock.flusher)
    return true
  }

  /// Maps `page` in the page at the position, if that has `status`, whose slot is then released.
  /// Returns whether it had; the reference of the page then belongs to the mapping.
  ///
  /// Throws `outOfFrames` if a page table is missing.
  package mutating func bringIn(
    _ page: inout PageFrame?, replacing status: PageTableEntry
  ) throws(TesseraError) -> Bool {
    let (found, level) = entry(at: position)
    guard found == status, let slot = page?.slot else { return false }
    let property = status.leafOfStatus.property(size: .fourKiB)
    var reservation = try reserveNodes(level.number - 1)
    let table = lock.tree.makeTable(at: position, level: .leafTable, from: &reservation)
    table.put(LeafTemplate.paged(property).entry(at: slot.address), at: table.index(of: position))
    _ = page.take()?.relinquish()
    return true
  }

  /// Clears the accessed bit of the page at the position, if it is mapped to the frame of `page`.
  /// Returns whether the bit was set.
  ///
  /// Nothing is flushed: a processor that has the translation cached does not set the bit again
  /// until it loses it. So the answer is a hint, which costs no other processor anything.
  package mutating func takeAccessed(_ page: FrameSlotReference) -> Bool {
    clear(PageTableEntry.accessed, of: page) != nil
  }

  /// Clears the dirty bit of the page at the position, if it is mapped to the frame of `page`.
  /// Returns whether the bit was set.
  ///
  /// Once the cursor is closed, every later write sets it again.
  package mutating func takeDirty(_ page: FrameSlotReference) -> Bool {
    guard let old = clear(PageTableEntry.dirty, of: page) else { return false }
    if old.isPresent { lock.flusher.enqueue(position, size: .fourKiB) }
    return true
  }

  /// Clears `bit` of the leaf that maps `page`. Returns the leaf as it was, if the bit was set.
  private func clear(_ bit: UInt64, of page: FrameSlotReference) -> PageTableEntry? {
    while let (old, address) = leaf(of: page) {
      guard old.rawValue & bit != 0 else { return nil }
      let node = lock.tree.lowestNode(at: address)
      let new = PageTableEntry(rawValue: old.rawValue & ~bit)
      // The processor may set the other bit at any time, and it must not be lost.
      if node.compareExchange(old, new, at: node.index(of: address)) { return old }
    }
    return nil
  }
}

// Pages of a memory object that appear in a space.
extension Cursor {
  /// Maps `page` in the page at the position, which has `status`, if the page at that of `source`,
  /// over pages of an object, is mapped to it. Returns whether both was so.
  ///
  /// Throws `outOfFrames` if a page table is missing.
  package mutating func bringIn(
    _ page: inout PageFrame?, from source: borrowing Cursor, replacing status: PageTableEntry
  ) throws(TesseraError) -> Bool {
    guard let slot = page?.slot, source.maps(slot) else { return false }
    return try bringIn(&page, replacing: status)
  }

  /// Maps more pages of the object: in each page of the range that has `status`, the page at the
  /// same place of the range of `source`, if that is mapped to a frame for which `isReady` returns
  /// true. The ranges are equally long, and in one leaf table each; nothing moves.
  package mutating func bringInOthers(
    from source: borrowing Cursor, replacing status: PageTableEntry,
    where isReady: (FrameSlotReference) -> Bool
  ) {
    let table = lock.tree.lowestNode(at: lock.tree.start)
    let pages = source.lock.tree.lowestNode(at: source.lock.tree.start)
    guard table.level == .leafTable, pages.level == .leafTable else { return }
    let template = LeafTemplate.paged(status.leafOfStatus.property(size: .fourKiB))
    let first = table.index(of: lock.tree.start)
    let firstPage = pages.index(of: source.lock.tree.start)
    let byteCount = lock.tree.end.byteCount(from: lock.tree.start)
    for place in 0..<Int(byteCount / PageSize.fourKiB.byteCount)
    where table[first + place] == status {
      let page = pages[firstPage + place]
      guard page.isLeaf, page.ownsFrame else { continue }
      let address = page.leafAddress(size: .fourKiB)
      guard isReady(FrameTable.slot(number: address.frameNumber)) else { continue }
      LeafOwnership.share(page, size: .fourKiB)
      table.store(template.entry(at: address), at: first + place, replacing: status)
    }
  }
}

// Pages of a memory object, in a tree that no processor runs on.
extension Cursor {
  /// Gives every page in the next `byteCount` bytes, all of which are absent, `status`, and does
  /// not move.
  ///
  /// Throws `alreadyMapped` if a page is mapped or has a status, and `outOfFrames`.
  package mutating func claim(
    _ byteCount: UInt64, with status: PageTableEntry
  ) throws(TesseraError) {
    let start = position
    try lock.tree.requireAbsent(from: start, to: checkedEnd(byteCount))
    try setStatus(byteCount, status)
    position = start
  }

  /// The frame that the page at the position is mapped to, with a reference for the caller; nil if
  /// none is mapped, or one of which the mapping has no reference.
  package func sharedFrame() -> PageFrame? {
    guard let slot = mappedSlot else { return nil }
    slot.head.share()
    // SAFETY: the reference has just been acquired; what is mapped is untyped.
    return unsafe PageFrame(adopting: slot)
  }

  /// The slot of the frame of 4 KiB that the page at the position is mapped to, of which the
  /// mapping has a reference; nil if there is none. The mapping keeps it, and the cursor that.
  package var mappedSlot: FrameSlotReference? {
    let (entry, level) = entry(at: position)
    guard level == .leafTable, entry.isLeaf, entry.ownsFrame else { return nil }
    return FrameTable.slot(number: entry.leafAddress(size: .fourKiB).frameNumber)
  }

  /// Takes the frame of `page` out of the page at the position, and leaves `place`, if it has
  /// `ownerCount` owners, the mapping and the caller's, and was not written. Returns whether that
  /// was so.
  ///
  /// No other reference can be acquired through the tree meanwhile.
  package mutating func takeOutUnused(
    _ page: FrameSlotReference, ownerCount: UInt64, leaving place: PagePlace
  ) -> Bool {
    guard let (entry, address) = leaf(of: page), page.hasOwners(ownerCount), !page.isWritten else {
      return false
    }
    let status = place.entry(entry.propertyOfPaged)
    Self.exchange(for: status, at: address, in: lock.tree, &lock.flusher)
    return true
  }

  /// Stores `status`, which then owns a reference of its slot, instead of the leaf of 4 KiB at
  /// `address`.
  private static func exchange(
    for status: PageTableEntry, at address: VirtualAddress, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) {
    LeafOwnership.share(status: status)
    let node = tree.lowestNode(at: address)
    let last = node.exchange(status, at: node.index(of: address))
    LeafOwnership.noteRemoval(of: last)
    flusher.retire(last, at: address, size: .fourKiB)
  }
}

extension PageTableEntry {
  /// Whether the entry is for a page of a memory object, or one that spaces share.
  var mayBeObjects: Bool {
    guard isLeaf else { return objectNumber != nil }
    if rawValue & Self.shared != 0 { return true }
    // A page that is the space's own may be written, or was before a fork.
    return isSharedByFork && ownsFrame && ObjectPages.contain(leafAddress(size: .fourKiB))
  }
}

extension PageTableEntry {
  /// The property that the page of this leaf, of 4 KiB, has again once the pager brings it back:
  /// with the right to write that a fork withholds.
  fileprivate var propertyOfPaged: PageProperty {
    let property = property(size: .fourKiB).with(isAccessed: false, isDirty: false)
    guard property.isCopyOnWrite, property.access != .none else { return property }
    return property.with(property.access == .readExecute ? .readWriteExecute : .readWrite)
  }
}
