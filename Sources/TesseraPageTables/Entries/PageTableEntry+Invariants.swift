internal import TesseraFrames
package import TesseraHardware

extension PageTableEntry {
  /// Whether a processor in `mode` would fault on the entry, in a table at `level`, because a
  /// reserved bit is set, or could speculate on an address in an entry that is not present.
  ///
  /// A leaf that is not present is checked as if it were, because it has to be valid again when its
  /// rights return. Its address is below the physical width, so the inverted one is not.
  package func violatesReservedBits(
    at level: PagingLevel, mode: PagingMode = .current
  ) -> Bool {
    if isAbsent { return false }
    if isPresent || isLeaf {
      let upright = rawValue ^ inversion
      return upright & Self.reservedBits(isLarge: isLarge(at: level), at: level, mode) != 0
    }
    return !isStatus || violatesStatusForm
  }

  /// Whether the software bits contradict the kind of the entry, in a table at `level`. For entries
  /// that Tessera made.
  package func violatesOwnershipBits(at level: PagingLevel) -> Bool {
    if isAbsent || isStatus { return false }
    let translates = level == .leafTable || isLarge(at: level)
    let isMisplaced = rawValue & Self.statusBit != 0 || !isLeaf && ownsFrame
    return isMisplaced || isLeaf != translates || isLeaf && violatesForkBits
  }

  /// Whether the leaf may be written though a fork has shared its frame, owns no frame that could
  /// have been shared and does not map the frame of zeros, must be copied for no reason, or is both
  /// copied and shared.
  private var violatesForkBits: Bool {
    guard isSharedByFork else { return rawValue & Self.copyOnWrite != 0 }
    let isSharable = ownsFrame || ZeroFrame.isAt(leafAddress(size: .fourKiB))
    return !isSharable || rawValue & (Self.writable | Self.shared) != 0
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
