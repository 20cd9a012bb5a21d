package import TesseraFrames
package import TesseraHardware

extension PageTableNode {
  /// What the tables under this root show at `address`: the physical address of the byte, and the
  /// property of its page. Nil if nothing is mapped there, or the address is not canonical.
  ///
  /// Sees what others have mapped too, such as the kernel's loader. Takes no lock: the answer was
  /// true at some moment of the call.
  @inline(__always)
  package func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    Epoch.enter()
    defer { Epoch.leave() }
    guard let table = leafTable(for: address) else { return translateSlow(address) }
    let entry = table[address.index(at: .leafTable)]
    guard entry.isPresent else { return nil }
    let byte = entry.tableAddress.rawValue | address.offset(in: .fourKiB)
    return (PhysicalAddress(unchecked: byte), entry.property(size: .fourKiB))
  }

  /// The leaf table that spans a program's `address`, under this root of level 4. Nil if there is
  /// none, and also for other addresses and roots: whoever asks then looks level by level.
  ///
  /// The caller is inside an epoch.
  @inline(__always)
  func leafTable(for address: VirtualAddress) -> PageTableNode? {
    let top = address.rawValue &>> PagingLevel(4).shift
    guard AddressSpaceLayout.isUserEntryOfLevel4(top) else { return nil }
    return ownLeafTable(below: Int(truncatingIfNeeded: top), address)
  }

  /// The same of an address that a cursor may work on, a program's or the kernel's.
  @inline(__always)
  func ownLeafTable(for address: VirtualAddress) -> PageTableNode? {
    guard PagingMode.current.rootLevel.number == 4 else { return nil }
    return ownLeafTable(below: address.index(at: PagingLevel(4)), address)
  }

  @inline(__always)
  private func ownLeafTable(below top: Int, _ address: VirtualAddress) -> PageTableNode? {
    ownChild(top)?
      .ownChild(address.index(at: PagingLevel(3)))?
      .ownChild(address.index(at: PagingLevel(2)))
  }

  /// The node that entry `index` of this node above the leaf tables leads to, if it leads to one.
  ///
  /// Only where all entries were made here, which is not so in the kernel's half. The caller holds
  /// the node's lock, or is inside an epoch.
  @inline(__always)
  func ownChild(_ index: Int) -> PageTableNode? {
    let entry = self[index]
    guard entry.isOwnTable else { return nil }
    // SAFETY: the caller's lock keeps the child, or the epoch does until its end.
    return unsafe PageTableNode(at: entry.ownTableAddress)
  }

  /// As `translate`, in any mode, for large pages, and for what others have mapped.
  @inline(never)
  private func translateSlow(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    guard address.isCanonical else { return nil }
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

extension BorrowedFrame where Metadata == NodeMetadata {
  /// The node that the frame is.
  package var node: PageTableNode {
    // SAFETY: the metadata says that the frame is a node, and the borrow keeps it.
    unsafe PageTableNode(at: address)
  }
}

extension Frame where Metadata == NodeMetadata {
  /// Takes over the count that `NodePool.make` gave `node`.
  ///
  /// The caller holds that count and gives it up.
  @unsafe package init(owning node: PageTableNode) {
    // SAFETY: the caller makes the same promise.
    unsafe self.init(adopting: node.slot)
  }
}
