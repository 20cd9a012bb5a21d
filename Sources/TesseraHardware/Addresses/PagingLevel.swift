/// The level of a table in the tree of page tables, counted from 1 at the bottom.
///
/// From 1 up, the Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging", calls them page table,
/// page directory, page-directory-pointer table, PML4 table and PML5 table.
@frozen
public struct PagingLevel: Comparable, Sendable {
  /// The level's number, 1 to 5.
  public let number: Int

  /// Creates the level `number`. Panics unless it is 1 to 5.
  @inline(__always)
  public init(_ number: Int) {
    require(number >= 1 && number <= 5, "page-table level is not 1 to 5")
    self.number = number
  }

  @inline(__always)
  init(unchecked number: Int) { self.number = number }

  /// Creates the level of the tables whose entries translate pages of `size`.
  @inline(__always)
  public init(leafOf size: PageSize) { number = Int(size.rawValue) &+ 1 }

  /// The lowest level, whose entries translate 4 KiB pages.
  @inline(__always)
  public static var leafTable: PagingLevel { PagingLevel(unchecked: 1) }

  @inline(__always)
  public static func < (left: PagingLevel, right: PagingLevel) -> Bool {
    left.number < right.number
  }
}

extension PagingLevel {
  /// The base-two logarithm of `span`.
  @inline(__always)
  public var shift: UInt64 { 12 &+ 9 &* UInt64(truncatingIfNeeded: number &- 1) }

  /// The number of bytes that one entry translates: 4 KiB at level 1, up to 2^48 at level 5.
  @inline(__always)
  public var span: UInt64 { 1 &<< shift }

  /// The number of bytes that a table translates: 2 MiB at level 1, up to 2^57 at level 5.
  @inline(__always)
  public var tableSpan: UInt64 { 1 &<< (shift &+ 9) }

  /// The size of the pages that entries at this level can translate, or nil above level 3, where
  /// entries only lead to tables.
  @inline(__always)
  public var pageSize: PageSize? {
    switch number {
    case 1: .fourKiB
    case 2: .twoMiB
    case 3: .oneGiB
    default: nil
    }
  }

  /// The level of the tables that entries of this level lead to. Panics at level 1.
  @inline(__always)
  public var below: PagingLevel {
    require(number > 1, "level below page-table level 1")
    return PagingLevel(unchecked: number &- 1)
  }

  /// The level of the tables that lead to this level. Panics at level 5.
  @inline(__always)
  public var above: PagingLevel {
    require(number < 5, "level above page-table level 5")
    return PagingLevel(unchecked: number &+ 1)
  }
}
