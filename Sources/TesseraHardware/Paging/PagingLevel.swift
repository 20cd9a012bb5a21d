/// How high a table stands in the tree of page tables, counted from 1 at the bottom.
///
/// The names in the Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging", from 1 up: page table,
/// page directory, page-directory-pointer table, PML4 table, PML5 table.
@frozen
public struct PagingLevel: Comparable, Sendable {
  /// 1 to 5.
  public let number: Int

  /// Traps if `number` is not 1 to 5.
  @inline(__always)
  public init(_ number: Int) {
    require(number >= 1 && number <= 5, "the levels of page tables are 1 to 5")
    self.number = number
  }

  @inline(__always)
  init(unchecked number: Int) { self.number = number }

  /// The level of the tables whose entries translate pages of `size`.
  @inline(__always)
  public init(leafOf size: PageSize) { number = Int(size.rawValue) &+ 1 }

  /// The lowest level, whose tables hold nothing but pages of 4 KiB.
  @inline(__always)
  public static var leafTable: PagingLevel { PagingLevel(unchecked: 1) }

  @inline(__always)
  public static func < (left: PagingLevel, right: PagingLevel) -> Bool {
    left.number < right.number
  }
}

extension PagingLevel {
  /// The logarithm to the base two of the bytes that one entry translates.
  @inline(__always)
  public var shift: UInt64 { 12 &+ 9 &* UInt64(truncatingIfNeeded: number &- 1) }

  /// How many bytes one entry translates: 4 KiB at level 1, up to 2^48 at level 5.
  @inline(__always)
  public var span: UInt64 { 1 &<< shift }

  /// How many bytes a whole table translates: 2 MiB at level 1, up to 2^57 at level 5.
  @inline(__always)
  public var tableSpan: UInt64 { 1 &<< (shift &+ 9) }

  /// The size of a page that an entry at this level translates, or nil above level 3, where entries
  /// only lead to tables.
  @inline(__always)
  public var pageSize: PageSize? {
    switch number {
    case 1: .fourKiB
    case 2: .twoMiB
    case 3: .oneGiB
    default: nil
    }
  }

  /// The level of the tables that entries of this level lead to. Traps at level 1.
  @inline(__always)
  public var below: PagingLevel {
    require(number > 1, "there is no level below the leaf tables")
    return PagingLevel(unchecked: number &- 1)
  }

  /// The level of the tables that lead to this level. Traps at level 5.
  @inline(__always)
  public var above: PagingLevel {
    require(number < 5, "there is no level above the fifth")
    return PagingLevel(unchecked: number &+ 1)
  }
}
