extension PageTableEntry {
  /// The entry that maps a page of `size` to the memory at `address`, at the level of that size.
  ///
  /// `isCounted` says that the entry owns a count of the frame at `address`, which the caller hands
  /// over. Traps unless `mode` allows a leaf of this size there.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, property: PageProperty, size: PageSize, isCounted: Bool,
    mode: PagingMode = .current
  ) -> PageTableEntry {
    require(address.isAligned(to: size), "a page is mapped to memory aligned to its size", address)
    require(
      address < mode.physicalAddressLimit, "a page is mapped where the processor has no memory",
      address)
    return Template(property, size: size, isCounted: isCounted, mode: mode).entry(at: address)
  }

  /// The address of the memory that a leaf of `size` maps, present or not.
  ///
  /// In a large leaf the PAT bit lies among the bits of the address, and is left out.
  @inline(__always)
  public func leafAddress(size: PageSize) -> PhysicalAddress {
    let mask = Self.addressMask & ~(size.byteCount &- 1)
    return PhysicalAddress(unchecked: (rawValue ^ inversion) & mask)
  }

  /// What a leaf of `size` says of its page.
  ///
  /// As the processor obeys it: without NX, what can be read can be executed.
  @inline(__always)
  public func property(size: PageSize) -> PageProperty {
    let policy = CachePolicy(attributeIndex: attributeIndex(size: size))
    var bits = rawValue & (Self.propertyMask & ~Self.cacheMask)
    if bits & Self.present == 0 { bits = bits & ~Self.writable | Self.noExecute }
    return PageProperty(entryBits: bits | UInt64(policy.rawValue) &<< 3)
  }

  /// A leaf of the same `size` to the same memory, counted or not as before, with `property`.
  @inline(__always)
  package func replacingProperty(
    _ property: PageProperty, size: PageSize, mode: PagingMode = .current
  ) -> PageTableEntry {
    Template(property, size: size, isCounted: isCounted, mode: mode)
      .entry(at: leafAddress(size: size))
  }

  /// What inverts the address if the entry is not present, and changes nothing otherwise.
  @inline(__always)
  var inversion: UInt64 { ((rawValue & Self.present) &- 1) & Self.addressMask }

  /// The number that PAT, PCD and PWT of a leaf of `size` make up.
  @inline(__always)
  private func attributeIndex(size: PageSize) -> UInt8 {
    let field = size == .fourKiB ? rawValue &>> 7 : (rawValue ^ inversion) &>> 12
    return UInt8(truncatingIfNeeded: (field & 1) &<< 2 | rawValue &>> 3 & 3)
  }
}

extension PageTableEntry {
  /// This leaf of a loader's, of `size`, as one of Tessera's that owns nothing, with the memory
  /// type that `attributeTable`, the loader's IA32_PAT, gives it.
  package func adopted(size: PageSize, attributeTable: UInt64) -> PageTableEntry {
    let type = attributeTable &>> (8 &* UInt64(attributeIndex(size: size))) & 7
    let policy = CachePolicy(memoryType: type)
    let attribute = size == .fourKiB ? 1 << 7 : 1 << 12 as UInt64
    let cleared = ~(attribute | Self.cacheMask | Self.countedMark | Self.statusMark)
    return PageTableEntry(
      rawValue: rawValue & cleared | Self.leafMark | UInt64(policy.rawValue) &<< 3)
  }
}
