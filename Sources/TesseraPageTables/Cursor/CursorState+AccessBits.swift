internal import TesseraHardware

extension CursorState {
  /// Clears `marks`, the accessed or the dirty bit or both, of every page in the next `byteCount`
  /// bytes, and moves past them.
  ///
  /// A large page that lies only partly in the range has one mark, which is cleared. Returns how
  /// many bytes the pages have of which one of the marks was set. Fails for nothing. Traps as
  /// `unmap` does.
  package mutating func clear(_ marks: UInt64, _ byteCount: UInt64) -> UInt64 {
    requireInside(byteCount)
    let end = offset + byteCount
    var cleared: UInt64 = 0
    while offset < end { cleared += clearStep(marks, to: end) }
    return cleared
  }

  /// Clears the marks of what one node has at the position, up to the offset `end`, and moves past
  /// it.
  private mutating func clearStep(_ marks: UInt64, to end: UInt64) -> UInt64 {
    let (node, level) = descend(to: address, level: .leafTable)
    let first = index(address, level)
    let count = level == .leafTable ? min(512 - first, Int((end - offset) / level.span)) : 1
    var position = address & ~(level.span &- 1)
    var cleared: UInt64 = 0
    for index in first..<first + count {
      if let size = level.pageSize, node.clear(marks, at: index) {
        // A processor that has the translation cached does not set the mark again.
        flusher.enqueue(position, size: size)
        cleared += size.byteCount
      }
      position &+= level.span
    }
    offset = min(end, position &- start)
    return cleared
  }
}

extension PageTableNode {
  /// Clears `marks` of the leaf at `index`. Says whether one of them was set. Under the lock.
  fileprivate func clear(_ marks: UInt64, at index: Int) -> Bool {
    while true {
      let old = self[index]
      guard old.isLeaf, old.rawValue & marks != 0 else { return false }
      // The processor may set the other mark at any time, and it must not get lost.
      let new = PageTableEntry(rawValue: old.rawValue & ~marks)
      if compareExchange(old, new, at: index) { return old.isPresent }
    }
  }
}
