/// One of the 512 words of a page table.
///
/// | bits   | meaning |
/// |--------|---------|
/// | 0      | present: the entry translates a page, or leads to a table |
/// | 1, 2   | writable, user |
/// | 3, 4   | PWT and PCD, which choose the cache policy |
/// | 5, 6   | accessed and dirty; the processor sets them |
/// | 7      | above level 1, the entry translates a large page; at level 1, PAT |
/// | 8      | global |
/// | 9      | `leafBit`: the entry is a leaf, present or not |
/// | 10     | `ownsFrameBit`: the leaf owns a count of its frame |
/// | 11     | `statusBit`: the entry is absent and carries a status |
/// | 12-51  | the physical address; while the entry is not present, all of them are inverted |
/// | 52, 53 | the software bits of the property |
/// | 63     | no execution |
///
/// A leaf whose access is taken away is not present but keeps everything else, and what it owns. A
/// processor may use the address in an entry that is not present for a guess at what memory holds
/// (L1 Terminal Fault), so such an entry names no memory: its highest address bits are ones. That
/// holds where addresses have at most 51 bits, and with 52 bits for addresses below 2^51.
///
/// Zero is the one form of an entry that holds nothing.
///
/// Intel SDM Vol. 3A, "Paging", "Paging-Structure Entries" of "4-Level Paging and 5-Level Paging".
@frozen
public struct PageTableEntry: Equatable, Sendable {
  public let rawValue: UInt64

  @inline(__always)
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The entry that holds nothing.
  @inline(__always)
  public static var absent: PageTableEntry { PageTableEntry(rawValue: 0) }

  /// The entry that leads to the table at `address`, and leaves all rights to what that says.
  ///
  /// `isUser` lets user programs use the pages below that are theirs. Traps if the address is no
  /// frame's, or one that the processor does not have.
  @inline(__always)
  package static func table(
    at address: PhysicalAddress, isUser: Bool = false, mode: PagingMode = .current
  ) -> PageTableEntry {
    require(address.isAligned(to: .fourKiB), "a page table is aligned to its size", address)
    require(
      address < mode.physicalAddressLimit, "a page table lies where the processor has no memory",
      address)
    return PageTableEntry(rawValue: address.rawValue | present | writable | (isUser ? user : 0))
  }
}

extension PageTableEntry {
  /// The entry translates, or leads to a table.
  public static var present: UInt64 { 1 << 0 }
  public static var writable: UInt64 { 1 << 1 }
  /// User programs may use the translation.
  public static var user: UInt64 { 1 << 2 }
  /// The processor used the entry.
  public static var accessed: UInt64 { 1 << 5 }
  /// The processor wrote through the entry.
  public static var dirty: UInt64 { 1 << 6 }
  /// Above the lowest level: the entry translates a large page, and leads to no table.
  public static var largePage: UInt64 { 1 << 7 }
  /// The translation survives a load of CR3.
  public static var global: UInt64 { 1 << 8 }
  /// The entry is a leaf, present or not.
  public static var leafBit: UInt64 { 1 << 9 }
  /// The leaf owns a count of its frame. Those of device memory and of the direct map own none.
  public static var ownsFrameBit: UInt64 { 1 << 10 }
  /// The entry is absent and carries a status.
  public static var statusBit: UInt64 { 1 << 11 }
  /// No instruction is fetched through the translation.
  public static var noExecute: UInt64 { 1 << 63 }

  /// The bits that hold the address of a table or of a 4 KiB page.
  public static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

  /// The bits that say what may be done with a page.
  package static var accessMask: UInt64 { present | writable | noExecute }
  /// PWT and PCD.
  package static var cacheMask: UInt64 { 0b11 << 3 }
  package static var softwareMask: UInt64 { 0b11 << 52 }
  /// The bits of a leaf that are its property.
  package static var propertyMask: UInt64 {
    accessMask | user | cacheMask | accessed | dirty | global | softwareMask
  }
}

extension PageTableEntry {
  /// Whether the entry holds nothing: no page, no table, no status.
  @inline(__always)
  public var isAbsent: Bool { rawValue == 0 }

  @inline(__always)
  public var isPresent: Bool { rawValue & Self.present != 0 }

  /// Whether the entry maps a page, even one that nobody may touch at present.
  @inline(__always)
  public var isLeaf: Bool { rawValue & Self.leafBit != 0 }

  /// Whether the entry leads to a table, for entries that this module made.
  @inline(__always)
  public var isTable: Bool { rawValue & (Self.present | Self.leafBit) == Self.present }

  /// Whether the leaf owns a count of its frame.
  @inline(__always)
  public var ownsFrame: Bool { rawValue & Self.ownsFrameBit != 0 }

  /// Whether the entry, of a table at `level`, translates a page of 2 MiB or 1 GiB.
  ///
  /// At level 1 bit 7 chooses the cache policy, and above level 3 it is reserved.
  @inline(__always)
  public func isLarge(at level: PagingLevel) -> Bool {
    rawValue & Self.largePage != 0 && (level.number == 2 || level.number == 3)
  }

  /// The address of the table that the entry leads to.
  @inline(__always)
  public var tableAddress: PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & Self.addressMask)
  }
}

extension PageTableEntry {
  /// The entry that holds nothing but `payload`, at any level: what the kernel wants to know of
  /// pages that are not there.
  ///
  /// The payload lies in the place of the address, inverted, so that no processor takes it for one.
  @inline(__always)
  public static func status(_ payload: UInt32) -> PageTableEntry {
    PageTableEntry(rawValue: (UInt64(payload) &<< 12) ^ addressMask | statusBit)
  }

  /// Whether the entry maps nothing and carries a status.
  @inline(__always)
  public var isStatus: Bool {
    rawValue & (Self.present | Self.leafBit | Self.statusBit) == Self.statusBit
  }

  /// The payload of a status, or nil if the entry is none.
  @inline(__always)
  public var status: UInt32? {
    isStatus ? UInt32(truncatingIfNeeded: ~rawValue &>> 12) : nil
  }
}

extension PageTableEntry {
  /// The entry that translates a page of `size` to the memory at `address`, with `flags`.
  ///
  /// `address` is aligned to `size`.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, size: PageSize, flags: UInt64
  ) -> PageTableEntry {
    PageTableEntry(rawValue: address.rawValue | flags | (size == .fourKiB ? 0 : largePage))
  }

  /// Whether the entry translates a page of 2 MiB or 1 GiB. Means nothing at the lowest level.
  @inline(__always)
  public var isLargePage: Bool { rawValue & Self.largePage != 0 }

  /// The address of the table that the entry leads to, or of its 4 KiB page.
  @inline(__always)
  public var address: PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & Self.addressMask)
  }
}
