extension PageTableEntry {
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

  /// What inverts the address if the entry is not present, and changes nothing otherwise.
  @inline(__always)
  package var inversion: UInt64 { ((rawValue & Self.present) &- 1) & Self.addressMask }

  /// The number that PAT, PCD and PWT of a leaf of `size` make up.
  @inline(__always)
  package func attributeIndex(size: PageSize) -> UInt8 {
    let field = size == .fourKiB ? rawValue &>> 7 : (rawValue ^ inversion) &>> 12
    return UInt8(truncatingIfNeeded: (field & 1) &<< 2 | rawValue &>> 3 & 3)
  }
}
