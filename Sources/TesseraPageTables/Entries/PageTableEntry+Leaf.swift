package import TesseraHardware

extension PageTableEntry {
  /// The entry that maps a page of `size` to the memory at `address`, at the level of that size.
  ///
  /// `ownsFrame` says that the entry owns a count of the frame at `address`, which the caller hands
  /// over. Traps unless `mode` allows a leaf of this size there.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, property: PageProperty, size: PageSize, ownsFrame: Bool,
    mode: PagingMode = .current
  ) -> PageTableEntry {
    require(address.isAligned(to: size), "a page is mapped to memory aligned to its size", address)
    require(
      address < mode.physicalAddressLimit, "a page is mapped where the processor has no memory",
      address)
    return LeafTemplate(property, size: size, ownsFrame: ownsFrame, mode: mode).entry(at: address)
  }
}
