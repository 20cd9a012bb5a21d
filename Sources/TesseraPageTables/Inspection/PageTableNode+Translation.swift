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
    let version = TreeVersion()
    // The tables of the kernel's half may be the loader's, whose large leaves look different.
    guard AddressSpaceLayout.isUserEntryOfLevel4(address.rawValue &>> PagingLevel(4).shift),
      let table = leafTable(for: address, in: version)
    else { return translateSlow(address) }
    let entry = table[address.index(at: .leafTable)]
    guard version.isLatest else { return translateSlow(address) }
    guard entry.isPresent else { return nil }
    let byte = entry.tableAddress.rawValue | address.offset(in: .fourKiB)
    return (PhysicalAddress(unchecked: byte), entry.property(size: .fourKiB))
  }

  /// As `translate`, in any mode, for large pages, and for tables that the loader made.
  @inline(never)
  private func translateSlow(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    TranslationTrace(of: address, from: self).translation
  }
}
