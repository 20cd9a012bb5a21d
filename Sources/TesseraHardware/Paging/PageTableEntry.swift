/// One of the 512 words of a page table, as the processor reads it.
///
/// | bits   | meaning |
/// |--------|---------|
/// | 0      | present: the entry translates a page or leads to a table |
/// | 1, 2   | writable, user |
/// | 3, 4   | PWT and PCD, which select the cache policy |
/// | 5, 6   | accessed and dirty, set by the processor |
/// | 7      | above level 1, the entry translates a large page; at level 1, PAT |
/// | 8      | global |
/// | 9-11   | ignored |
/// | 12-51  | physical address; in an entry of a large page, bit 12 is PAT |
/// | 52-62  | ignored; a `PageProperty` has its software bits in 52 and 53, and in 54 and 56 what
/// |        | a fork does |
/// | 63     | no execution |
///
/// The processor ignores all other bits of an entry that is not present. What Tessera stores in the
/// ignored bits, and in entries that are not present, is defined in TesseraPageTables.
///
/// Intel SDM Vol. 3A, "Paging", "Paging-Structure Entries" of "4-Level Paging and 5-Level Paging".
@frozen
package struct PageTableEntry: Equatable, Sendable {
  package let rawValue: UInt64

  @inline(__always)
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The zero entry, which holds nothing.
  @inline(__always)
  package static var absent: PageTableEntry { PageTableEntry(rawValue: 0) }
}

extension PageTableEntry {
  /// The entry translates a page or leads to a table.
  package static var present: UInt64 { 1 << 0 }
  package static var writable: UInt64 { 1 << 1 }
  /// User programs may use the translation.
  package static var user: UInt64 { 1 << 2 }
  /// The processor has used the entry.
  package static var accessed: UInt64 { 1 << 5 }
  /// The processor has written through the entry.
  package static var dirty: UInt64 { 1 << 6 }
  /// Above the lowest level: the entry translates a large page instead of leading to a table.
  package static var largePage: UInt64 { 1 << 7 }
  /// The translation survives a load of CR3.
  package static var global: UInt64 { 1 << 8 }
  /// No instruction is fetched through the translation.
  package static var noExecute: UInt64 { 1 << 63 }

  /// The address of a table or of a 4 KiB page.
  package static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }
  /// The bits that control access to a page.
  package static var accessMask: UInt64 { present | writable | noExecute }
  /// PWT and PCD.
  package static var cacheMask: UInt64 { 0b11 << 3 }
  /// The ignored bits that hold `PageProperty.software`.
  package static var softwareMask: UInt64 { 0b11 << 52 }
  /// The ignored bit that holds `PageProperty.isCopyOnWrite`.
  package static var copyOnWrite: UInt64 { 1 << 54 }
  /// The ignored bit that holds `PageProperty.isShared`.
  package static var shared: UInt64 { 1 << 56 }
  /// The bits of a leaf that make up its property.
  package static var propertyMask: UInt64 {
    accessMask | user | cacheMask | accessed | dirty | global | softwareMask | copyOnWrite | shared
  }
}

/// Predicates and fields that hold for every entry, including those that a loader wrote.
extension PageTableEntry {
  /// A Boolean value indicating whether the entry is zero.
  @inline(__always)
  package var isAbsent: Bool { rawValue == 0 }

  @inline(__always)
  package var isPresent: Bool { rawValue & Self.present != 0 }

  /// Returns whether the entry, in a table at `level`, translates a page of 2 MiB or 1 GiB.
  ///
  /// At level 1 bit 7 is PAT, and above level 3 it is reserved.
  @inline(__always)
  package func isLarge(at level: PagingLevel) -> Bool {
    rawValue & Self.largePage != 0 && (level.number == 2 || level.number == 3)
  }

  /// Returns whether the entry, in a table at `level`, leads to a table.
  package func leadsToTable(at level: PagingLevel) -> Bool {
    isPresent && level > .leafTable && !isLarge(at: level)
  }

  /// The address of the table that a present entry leads to, or of the 4 KiB page that it maps.
  @inline(__always)
  package var tableAddress: PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & Self.addressMask)
  }

  /// The index into the page attribute table, from PAT, PCD and PWT of a present leaf of `size`.
  @inline(__always)
  package func attributeIndex(size: PageSize) -> UInt8 {
    let field = size == .fourKiB ? rawValue &>> 7 : rawValue &>> 12
    return UInt8(truncatingIfNeeded: (field & 1) &<< 2 | rawValue &>> 3 & 3)
  }
}

extension PageTableEntry {
  /// Creates an entry that translates a page of `size` to the memory at `address`, with `flags`.
  ///
  /// - Precondition: `address` is aligned to `size`.
  @inline(__always)
  package static func leaf(
    at address: PhysicalAddress, size: PageSize, flags: UInt64
  ) -> PageTableEntry {
    PageTableEntry(rawValue: address.rawValue | flags | (size == .fourKiB ? 0 : largePage))
  }
}
