package import TesseraHardware

extension PageTableEntry {
  /// Creates the entry that maps a page of `size` to the memory at `address`, at the level of that
  /// size.
  ///
  /// If `ownsFrame`, the entry owns a reference to the frame at `address`, which the caller
  /// transfers. Panics unless `mode` allows a leaf of this size there.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, property: PageProperty, size: PageSize, ownsFrame: Bool,
    mode: PagingMode = .current
  ) -> PageTableEntry {
    require(address.isAligned(to: size), "memory to map is not aligned to the page size", address)
    require(
      address < mode.physicalAddressLimit, "memory to map is beyond the physical address width",
      address)
    return LeafTemplate(property, size: size, ownsFrame: ownsFrame, mode: mode).entry(at: address)
  }

  /// The address of the memory that a leaf of `size` maps, present or not.
  ///
  /// Excludes the PAT bit, which is among the address bits of a large leaf.
  @inline(__always)
  package func leafAddress(size: PageSize) -> PhysicalAddress {
    let mask = Self.addressMask & ~(size.byteCount &- 1)
    return PhysicalAddress(unchecked: (rawValue ^ inversion) & mask)
  }

  /// The property of a leaf of `size`, as the processor applies it: without no-execute, every
  /// readable page is executable.
  @inline(__always)
  package func property(size: PageSize) -> PageProperty {
    let upright = PageTableEntry(rawValue: rawValue ^ inversion)
    let policy = CachePolicy(attributeIndex: upright.attributeIndex(size: size))
    var bits = rawValue & (Self.propertyMask & ~Self.cacheMask)
    if bits & Self.present == 0 { bits = bits & ~Self.writable | Self.noExecute }
    return PageProperty(entryBits: bits | UInt64(policy.rawValue) &<< 3)
  }

  /// The mask that inverts the address of an entry that is not present; zero for a present one.
  @inline(__always)
  package var inversion: UInt64 { ((rawValue & Self.present) &- 1) & Self.addressMask }
}
