internal import TesseraFrames
internal import TesseraHardware

extension Cursor {
  /// Clears the accessed bit of every page in the next `byteCount` bytes, so that
  /// `PageProperty.isAccessed` tells which are used afterwards. Returns the number of bytes of the
  /// pages whose bit was set, those of pages without access included.
  ///
  /// A large page that lies only partly in the range has one bit, which is cleared, and counts with
  /// all its bytes. Never fails.
  @discardableResult
  public mutating func clearAccessed(_ byteCount: UInt64) -> UInt64 {
    clear(PageTableEntry.accessed, byteCount)
  }

  /// Clears the dirty bit, which writes set, in the same way.
  @discardableResult
  public mutating func clearDirty(_ byteCount: UInt64) -> UInt64 {
    clear(PageTableEntry.dirty, byteCount)
  }

  /// Clears both bits in the same way. Returns the number of bytes of the pages that had one of
  /// them set. They need not be set together: a page may be dirty whose accessed bit was cleared.
  @discardableResult
  public mutating func clearAccessedAndDirty(_ byteCount: UInt64) -> UInt64 {
    clear(PageTableEntry.accessed | PageTableEntry.dirty, byteCount)
  }

  private mutating func clear(_ bits: UInt64, _ byteCount: UInt64) -> UInt64 {
    let end = checkedEnd(byteCount)
    var cleared: UInt64 = 0
    while position < end {
      cleared += Self.clearStep(bits, &position, to: end, in: lock.tree, &lock.flusher)
    }
    return cleared
  }

  /// Clears the bits of what one node has from `position` up to `end`, and moves past it.
  private static func clearStep(
    _ bits: UInt64, _ position: inout VirtualAddress, to end: VirtualAddress,
    in tree: borrowing LockedTree, _ flusher: inout TLBFlusher
  ) -> UInt64 {
    let node = tree.lowestNode(at: position)
    let level = node.level
    let first = node.index(of: position)
    let room = end.distance(from: position) &>> level.shift
    let count = level == .leafTable ? min(512 - first, Int(truncatingIfNeeded: room)) : 1
    var page = position.alignedDown(to: level.span)
    var cleared: UInt64 = 0
    for index in first..<first + count {
      if let size = level.pageSize, let old = node.clear(bits, at: index) {
        // A processor that has the translation cached does not set the bit again.
        if old.isPresent { flusher.enqueue(page, size: size) }
        if bits & PageTableEntry.dirty != 0 { LeafOwnership.noteWritten(old) }
        cleared += size.byteCount
      }
      page = page.advanced(unchecked: level.span)
    }
    position = min(end, page)
    return cleared
  }
}

extension LockedNode {
  /// Clears `bits` of the leaf at `index`. Returns the leaf as it was if one of them was set.
  fileprivate func clear(_ bits: UInt64, at index: Int) -> PageTableEntry? {
    while true {
      let old = self[index]
      guard old.isLeaf, old.rawValue & bits != 0 else { return nil }
      // The processor may set the other bit at any time, and it must not be lost.
      let new = PageTableEntry(rawValue: old.rawValue & ~bits)
      if compareExchange(old, new, at: index) { return old }
    }
  }
}
