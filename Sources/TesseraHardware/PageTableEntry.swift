/// One of the 512 words of a page table.
///
/// Intel SDM Vol. 3A, "Paging", "Format of CR3 and Paging-Structure Entries with 4-Level Paging and
/// 5-Level Paging".
@frozen
public struct PageTableEntry: Equatable, Sendable {
  public let rawValue: UInt64

  @inline(__always)
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The entry that leads to the table at `address`, and leaves all rights to what that says.
  @inline(__always)
  package static func table(at address: PhysicalAddress) -> PageTableEntry {
    PageTableEntry(rawValue: address.rawValue | present | writable)
  }

  /// The entry that translates a page of `size` to the memory at `address`, with `flags`.
  ///
  /// `address` is aligned to `size`.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, size: PageSize, flags: UInt64
  ) -> PageTableEntry {
    PageTableEntry(rawValue: address.rawValue | flags | (size == .fourKiB ? 0 : largePage))
  }
}

extension PageTableEntry {
  /// The entry translates, or leads to a table.
  public static var present: UInt64 { 1 << 0 }
  public static var writable: UInt64 { 1 << 1 }
  /// User programs may use the translation.
  public static var user: UInt64 { 1 << 2 }
  /// Above the lowest level: the entry translates a large page, and leads to no table.
  public static var largePage: UInt64 { 1 << 7 }
  /// The translation survives a load of CR3.
  public static var global: UInt64 { 1 << 8 }
  /// No instruction is fetched through the translation.
  public static var noExecute: UInt64 { 1 << 63 }

  /// The bits that hold the address of a table or of a 4 KiB page.
  public static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }
}

extension PageTableEntry {
  @inline(__always)
  public var isPresent: Bool { rawValue & Self.present != 0 }

  /// Whether the entry translates a page of 2 MiB or 1 GiB. Means nothing at the lowest level.
  @inline(__always)
  public var isLargePage: Bool { rawValue & Self.largePage != 0 }

  /// The address of the table that the entry leads to, or of its 4 KiB page.
  @inline(__always)
  public var address: PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & Self.addressMask)
  }
}
