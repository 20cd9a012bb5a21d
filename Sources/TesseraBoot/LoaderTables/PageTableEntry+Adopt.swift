package import TesseraHardware
internal import TesseraPageTables

extension PageTableEntry {
  /// A loader's leaf of `size` as one of Tessera's that owns no frame.
  ///
  /// It keeps the memory type that it has under `attributeTable`, the loader's IA32_PAT. Bits that
  /// are Tessera's ownership and fork bits mean nothing in a loader's entry and are replaced. User
  /// programs have no access.
  package func adopted(size: PageSize, attributeTable: UInt64) -> PageTableEntry {
    let type = attributeTable &>> (8 &* UInt64(attributeIndex(size: size))) & 7
    let policy = CachePolicy(memoryType: type)
    let attribute = size == .fourKiB ? 1 << 7 : 1 << 12 as UInt64
    let cleared =
      ~(attribute | Self.cacheMask | Self.ownsFrameBit | Self.statusBit | Self.user | Self.forkMask
      | Self.shared)
    return PageTableEntry(
      rawValue: rawValue & cleared | Self.leafBit | UInt64(policy.rawValue) &<< 3)
  }
}
