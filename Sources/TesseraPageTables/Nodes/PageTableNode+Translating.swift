package import TesseraFrames
package import TesseraHardware

extension PageTableNode {
  /// What the tables under this root show at `address`: the physical address of the byte, and the
  /// property of its page. Nil if nothing is mapped there, or the address is not canonical.
  ///
  /// Sees what others have mapped too, such as the kernel's loader. Takes no lock: the answer was
  /// true at some moment of the call.
  package func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    guard address.isCanonical else { return nil }
    Epoch.enter()
    defer { Epoch.leave() }
    var node = self
    var level = PagingMode.current.rootLevel
    while true {
      let entry = node[address.index(at: level)]
      guard entry.isPresent else { return nil }
      if entry.isLeaf || entry.isLarge(at: level) || level == .leafTable {
        guard let size = level.pageSize else { return nil }
        let base = entry.leafAddress(size: size)
        let byte = PhysicalAddress(unchecked: base.rawValue | address.offset(in: size))
        return (byte, entry.property(size: size))
      }
      // SAFETY: a node that an entry led to inside the epoch stays until its end.
      node = unsafe PageTableNode(at: entry.tableAddress)
      level = level.below
    }
  }
}

extension BorrowedFrame where Metadata == PageTableNodeMetadata {
  /// The node that the frame is.
  package var node: PageTableNode {
    // SAFETY: the metadata says that the frame is a node, and the borrow keeps it.
    unsafe PageTableNode(at: address)
  }
}

extension Frame where Metadata == PageTableNodeMetadata {
  /// Takes over the count that `PageTableNodePool.make` gave `node`.
  ///
  /// The caller holds that count and gives it up.
  @unsafe package init(owning node: PageTableNode) {
    // SAFETY: the caller makes the same promise.
    unsafe self.init(adopting: node.slot)
  }
}
