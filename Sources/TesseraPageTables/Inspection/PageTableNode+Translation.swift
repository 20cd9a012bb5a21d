package import TesseraHardware

extension PageTableNode {
  /// The physical address and the page property that the tables under this root translate `address`
  /// to. Nil if nothing is mapped there, or the address is not canonical.
  ///
  /// Takes no lock, and sees what others have mapped too, such as the loader: the answer was true
  /// at some moment of the call.
  @inline(__always)
  package func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    // The tables of the kernel's half may be the loader's, whose large leaves look different.
    // SAFETY: an index of a user entry is one of a root.
    if let index = AddressSpaceLayout.leadingUserEntry(of: address),
      let entry = unsafe smallLeaf(at: address, below: index)
    {
      return entry.translation(of: address)
    }
    return translateSlow(address)
  }

  /// As `translate`, in any mode, for large pages, and for tables that the loader made.
  @inline(never)
  private func translateSlow(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    // SAFETY: the index is masked.
    if AddressSpaceLayout.isUserBehindKernelEntries(address),
      let entry = unsafe smallLeaf(at: address, below: address.index(at: PagingLevel(4)))
    {
      return entry.translation(of: address)
    }
    return TranslationTrace(of: address, from: self).translation
  }

  /// The entry of `address` in a leaf table, below entry `index` of this root, whose tables are all
  /// Tessera's. Nil if there is no such table, or if a node was detached meanwhile.
  @inline(__always)
  @unsafe private func smallLeaf(
    at address: VirtualAddress, below index: Int
  ) -> PageTableEntry? {
    let version = TreeVersion()
    // SAFETY: the caller's index is one of the root's.
    guard let table = unsafe leafTable(for: address, below: index, in: version) else { return nil }
    let entry = table[address.index(at: .leafTable)]
    return version.isLatest ? entry : nil
  }
}

extension PageTableEntry {
  /// What the entry, one of a leaf table, translates `address` to.
  @inline(__always)
  fileprivate func translation(
    of address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    guard isPresent else { return nil }
    let byte = tableAddress.rawValue | address.offset(in: .fourKiB)
    return (PhysicalAddress(unchecked: byte), property(size: .fourKiB))
  }
}
