package import TesseraFrames
package import TesseraHardware

// What a page fault changes: pages that appear when they are used, and pages that are copied before
// they are written.

/// How a page was made to allow an access.
public enum PageSupply: Equatable, Sendable {
  /// It did already: the processor had an old translation, or another one was faster.
  case nothing
  /// By the frame of zeros, which all pages share that were read and not written yet.
  case zeros
  /// By a new frame filled with zeros.
  case zeroedFrame
  /// By a copy of its frame, which has other owners.
  case copy
  /// By its own frame, which had other owners and now has none.
  case takeover
  /// By the pager, from swap or from a memory object.
  case paged
}

extension Cursor {
  /// What it takes that the page at the position, which is not the end, allows `access`.
  package func need(of access: MemoryAccess) -> PageNeed {
    let (entry, level) = entry(at: position)
    return entry.need(of: access, level)
  }

  /// Gives the page at the position what it needs, `need`, and does not move. Returns nil if it is
  /// none of what a cursor can supply, or takes a frame and `frame` is nil.
  ///
  /// The frame is one of 4 KiB; it may be of 2 MiB for the need of a zeroed one, if all pages for
  /// it, from the position, have the same status. It then belongs to the mapping. For zeros, other
  /// pages of the range in the same leaf table get them, too, if they have the same status.
  ///
  /// Throws `outOfFrames` if a page table is missing, or a large page that has to be copied cannot
  /// be split; nothing has changed then.
  package mutating func supply(
    _ need: PageNeed, _ frame: inout UntypedFrame?
  ) throws(TesseraError) -> PageSupply? {
    switch need {
    case .nothing, .denied, .payload, .pager: return nil
    case .zeros:
      try supplyZeros()
      return .zeros
    case .takeover:
      let node = lock.tree.lowestNode(at: position)
      // More rights: a processor that has the old translation faults once, and walks again.
      node.giveWriting(at: node.index(of: position))
      return .takeover
    case .zeroedFrame:
      guard frame != nil else { return nil }
      try supplyZeroed(&frame)
      return .zeroedFrame
    case .copy:
      guard frame != nil else { return nil }
      try replaceByCopy(&frame)
      return .copy
    }
  }

  /// Maps the frame of zeros in the page at the position, which is to appear as one, and in all
  /// others of the range that have the same status and are in the same leaf table.
  private mutating func supplyZeros() throws(TesseraError) {
    let (status, level) = entry(at: position)
    var reservation = try reserveNodes(level.number - 1)
    let table = lock.tree.makeTable(at: position, level: .leafTable, from: &reservation)
    let zeros = LeafTemplate.zeros(status.statusProperty).entry(at: ZeroFrame.address)
    let span = PagingLevel.leafTable.tableSpan
    let start = max(lock.tree.start, position.alignedDown(to: span))
    let last = min(VirtualAddress(lock.tree.end.rawValue &- 1), position.last(in: span))
    for index in table.index(of: start)...table.index(of: last) where table[index] == status {
      table.store(zeros, at: index, replacing: status)
    }
  }

  /// Maps `frame`, which is filled with zeros, from the position, where pages have a status or map
  /// the frame of zeros.
  private mutating func supplyZeroed(
    _ frame: inout UntypedFrame?
  ) throws(TesseraError) {
    let (status, _) = entry(at: position)
    guard status.isDemandZero else { return exchange(for: &frame) }
    let page = position
    try map(&frame, as: status.statusProperty)
    position = page
  }

  /// Maps `frame` at the position, writable, instead of the frame that is mapped there, and with a
  /// copy of its contents. If a large page is mapped, it is split.
  private mutating func replaceByCopy(
    _ frame: inout UntypedFrame?
  ) throws(TesseraError) {
    try splitEdges(to: checkedEnd(PageSize.fourKiB.byteCount))
    let source = entry(at: position).entry.leafAddress(size: .fourKiB)
    if let target = frame?.address {
      // Nothing writes the source meanwhile: it has other owners, and all of them copy it first.
      // SAFETY: the mapping keeps the source, and the handle the target.
      unsafe PhysicalMemory.copyPage(from: source, to: target)
    }
    exchange(for: &frame)
  }

  /// Maps `frame` at the position, writable, instead of the page of 4 KiB that is mapped there.
  private mutating func exchange(for frame: inout UntypedFrame?) {
    guard let slot = frame.take()?.relinquishSlot() else { return }
    Self.exchange(for: slot.address, at: position, in: lock.tree, &lock.flusher)
  }

  private static func exchange(
    for address: PhysicalAddress, at page: VirtualAddress, in tree: borrowing LockedTree,
    _ flusher: inout TLBFlusher
  ) {
    let table = tree.lowestNode(at: page)
    let index = table.index(of: page)
    let leaf = LeafTemplate.copied(table[index]).entry(at: address)
    flusher.retire(table.exchange(leaf, at: index), at: page, size: .fourKiB)
  }
}

extension LockedNode {
  /// Gives the leaf at `index` the right to write that a fork withholds.
  fileprivate func giveWriting(at index: Int) {
    while true {
      let old = self[index]
      let new = PageTableEntry(
        rawValue: old.rawValue & ~PageTableEntry.forkMask | PageTableEntry.writable)
      // The processor may set the accessed bit meanwhile.
      if compareExchange(old, new, at: index) { return }
    }
  }
}
