internal import TesseraFrames
package import TesseraHardware

extension Cursor {
  /// The physical address that `address` in the page at the position is mapped to, for an access of
  /// the kernel through the direct map on behalf of the program, which the page allows. Nil if it
  /// is not in the direct map. Sets the accessed and dirty bits as the program's own access would.
  ///
  /// The page keeps its frame for as long as the cursor is open.
  package func use(_ address: VirtualAddress, for access: MemoryAccess) -> PhysicalAddress? {
    let node = lock.tree.lowestNode(at: position)
    let index = node.index(of: position)
    guard let size = node.level.pageSize else { return nil }
    let target = node[index].leafAddress(size: size)
    guard FrameTable.isMapped(target) else { return nil }
    let used = PageTableEntry.accessed | (access == .write ? PageTableEntry.dirty : 0)
    node.setUsed(used, at: index)
    return PhysicalAddress(unchecked: target.rawValue | address.offset(in: size))
  }
}

extension LockedNode {
  /// Sets `bits` in the leaf at `index`, if they are not set.
  fileprivate func setUsed(_ bits: UInt64, at index: Int) {
    while true {
      let old = self[index]
      if old.rawValue & bits == bits { return }
      // The processor may set bits meanwhile.
      if compareExchange(old, PageTableEntry(rawValue: old.rawValue | bits), at: index) { return }
    }
  }
}
