internal import TesseraFrames
internal import TesseraHardware

/// What a leaf owns: a reference of its frame. References enter entries and leave them here and
/// nowhere else, so an audit of leaks and double frees begins and ends in this file.
enum LeafOwnership {
  /// The slot of the memory that the owning leaf `entry` of `size` maps: that of a frame, or of a
  /// tail of a compound one. Its reference is the entry's.
  ///
  /// The caller has removed the entry from its node, and drops the reference once, when no
  /// processor can reach the frame any more.
  @inline(__always)
  @unsafe static func slot(of entry: PageTableEntry, size: PageSize) -> FrameSlotReference {
    FrameTable.slot(number: entry.leafAddress(size: size).frameNumber)
  }

  /// As `slot(of:size:)`, for a leaf of 4 KiB that is a usual one (`PageTableEntry.isUsualLeaf`).
  @inline(__always)
  @unsafe static func slot(ofUsual entry: PageTableEntry) -> FrameSlotReference {
    FrameTable.slot(number: entry.tableAddress.frameNumber)
  }

  /// Drops the reference that the owning leaf `entry` of `size` had. As for `slot(of:size:)`.
  @unsafe static func release(_ entry: PageTableEntry, size: PageSize) {
    // SAFETY: the caller makes the same promise.
    _ = unsafe AnyFrame(adopting: slot(of: entry, size: size).head)
  }

  /// Acquires a reference for a second entry that maps the same frame as the owning leaf `entry`.
  @inline(__always)
  static func share(_ entry: PageTableEntry, size: PageSize) {
    headSlot(of: entry, size: size).share()
  }

  /// As `share(_:size:)`, for `count` entries, if the leaf is an owning one. There are far fewer
  /// than 2^32.
  static func share(_ entry: PageTableEntry, size: PageSize, adding count: UInt64) {
    if entry.ownsFrame { headSlot(of: entry, size: size).share(adding: count) }
  }

  /// As `share`, for a leaf of 4 KiB that is present.
  @inline(__always)
  static func share(present entry: PageTableEntry) {
    FrameTable.slot(number: entry.tableAddress.frameNumber).head.share()
  }

  /// Does what has to be done for the memory or the swap slot of `entry`, which was just removed
  /// and no processor changes any more, besides dropping the reference of a frame: remembers that a
  /// frame was written that others share, and drops the reference of a slot.
  @inline(__always)
  static func noteRemoval(of entry: PageTableEntry) {
    if entry.mayBePagers { noteRemovalSlow(of: entry) }
  }

  @inline(never)
  private static func noteRemovalSlow(of entry: PageTableEntry) {
    if entry.isLeaf {
      noteWritten(entry)
    } else if let slot = entry.swapSlot {
      SwapSlots.drop(slot)
    }
  }

  /// If `leaf` is shared, owns a frame and was written through, remembers that in the frame's slot:
  /// who writes the frame back finds it there.
  static func noteWritten(_ leaf: PageTableEntry) {
    let written = PageTableEntry.dirty | PageTableEntry.shared | PageTableEntry.ownsFrameBit
    guard leaf.rawValue & written == written else { return }
    // A large leaf is aligned more than its address needs, and its PAT bit is below that.
    FrameTable.slot(number: leaf.leafAddress(size: .fourKiB).frameNumber).head.markWritten()
  }

  /// Acquires what the status `entry` owns for a second entry like it.
  static func share(status entry: PageTableEntry) {
    if let slot = entry.swapSlot { SwapSlots.share(slot) }
  }

  /// Whether the owning leaf `entry` of `size` has the only reference of its frame.
  ///
  /// What earlier owners did with the frame is then done.
  static func isOnlyOwner(_ entry: PageTableEntry, size: PageSize) -> Bool {
    headSlot(of: entry, size: size).hasOneOwner
  }

  @inline(__always)
  private static func headSlot(of entry: PageTableEntry, size: PageSize) -> FrameSlotReference {
    FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).head
  }
}

// A large leaf and its parts.

extension LeafOwnership {
  /// Fills `node`, which is empty, with the 512 parts of `entry`, a leaf or a status of the level
  /// above. The parts take over its reference, and acquire 511 more.
  static func fill(_ node: LockedNode, withPartsOf entry: PageTableEntry) {
    guard entry.isLeaf, let size = node.level.above.pageSize, let part = node.level.pageSize else {
      return node.fill(with: entry)
    }
    let template = LeafTemplate(like: entry, size, newSize: part)
    share(entry, size: size, adding: 511)
    var address = entry.leafAddress(size: size)
    for index in 0..<512 {
      node.store(template.entry(at: address), at: index)
      address = PhysicalAddress(unchecked: address.rawValue &+ part.byteCount)
    }
    node.presentCount = 512
  }

  /// The leaf that maps what the 512 entries of `node` map, and takes over their references; nil if
  /// there is none. The entries own nothing any more.
  static func collapsedLeaf(of node: LockedNode) -> PageTableEntry? {
    guard node.presentCount == 512, let size = node.level.pageSize,
      let large = node.level.above.pageSize, PagingMode.current.hasPages(of: large),
      let first = node.uniformLeaf(size, large)
    else { return nil }
    let leaf = LeafTemplate(like: first, size, newSize: large)
      .entry(at: first.leafAddress(size: size))
    guard first.ownsFrame else { return leaf }
    let slot = FrameTable.slot(number: first.leafAddress(size: size).frameNumber)
    if slot.head == slot && slot.kind.size == .fourKiB {
      return size == .fourKiB && slot.mergeIntoCompound(large) ? leaf : nil
    }
    guard slot.head.kind.size >= large else { return nil }
    for _ in 0..<511 {
      let isLast = slot.head.drop()
      require(!isLast, "page lost its frame when it was collapsed")
    }
    return leaf
  }
}

extension LockedNode {
  /// The first of 512 leaves of `size` that differ in nothing but contiguous addresses, from a
  /// multiple of `large`, and their accessed and dirty bits; nil if they differ otherwise.
  fileprivate func uniformLeaf(_ size: PageSize, _ large: PageSize) -> PageTableEntry? {
    let first = self[0]
    guard first.isLeaf, first.isPresent, first.leafAddress(size: size).isAligned(to: large) else {
      return nil
    }
    let accessBits = PageTableEntry.accessed | PageTableEntry.dirty
    for index in 0..<512 {
      let entry = self[index].rawValue
      let expected = first.rawValue &+ UInt64(index) &* size.byteCount
      guard (entry ^ expected) & ~accessBits == 0 else { return nil }
    }
    return first
  }
}
