package import TesseraHardware

extension PageTableEntry {
  /// Whether a processor in `mode` would fault on the entry, in a table at `level`, for a bit that
  /// is reserved, or could take something in an entry that is not present for an address.
  ///
  /// A leaf that is not present is judged as if it were: what it keeps must be good again when its
  /// access returns. Its address is then below the width, and so the bits in the entry are not.
  package func violatesReservedBits(
    at level: PagingLevel, mode: PagingMode = .current
  ) -> Bool {
    if isAbsent { return false }
    if isPresent || isLeaf {
      let upright = rawValue ^ inversion
      return upright & Self.reservedBits(isLarge: isLarge(at: level), at: level, mode) != 0
    }
    guard let status else { return true }
    return self != .status(status)
  }

  /// Whether the leaf, counted or status mark is missing where it belongs, in a table at `level`,
  /// or is there where it does not. For entries that this module made.
  package func violatesOwnershipBits(at level: PagingLevel) -> Bool {
    if isAbsent || isStatus { return false }
    let translates = level == .leafTable || isLarge(at: level)
    let isMisplaced = rawValue & Self.statusBit != 0 || !isLeaf && ownsFrame
    return isMisplaced || isLeaf != translates
  }

  /// The bits that must be zero in a present entry.
  ///
  /// Intel SDM Vol. 3A, "Paging-Structure Entries" of "4-Level Paging and 5-Level Paging".
  private static func reservedBits(
    isLarge: Bool, at level: PagingLevel, _ mode: PagingMode
  ) -> UInt64 {
    var reserved = addressMask & ~(mode.physicalAddressLimit.rawValue &- 1)
    if !mode.hasNoExecute { reserved |= noExecute }
    if level.number > 3 || level.number == 3 && !mode.hasOneGiBPages { reserved |= largePage }
    // Between the PAT bit and the address of a large page nothing may be set.
    if isLarge { reserved |= (level.span &- 1) & addressMask & ~(1 << 12) }
    return reserved
  }
}
