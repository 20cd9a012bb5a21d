import TesseraHardware

/// The format of one kind of paging-structure entry, as the manual's table for it gives it.
///
/// Written from Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging", the tables "Format of a …",
/// row by row, and without a look at what it is compared with.
package struct ManualFormat {
  package enum Field: Int, CaseIterable {
    case present, writable, user, writeThrough, cacheDisable, accessed, dirty, pageSize
    case attribute, global, ignored, address, reserved, executeDisable
  }

  /// The kinds of entries that a processor tells apart.
  package enum Kind: CaseIterable {
    /// PML5E and PML4E.
    case upperTable
    /// PDPTE and PDE that refer to a table.
    case table
    case oneGiBPage, twoMiBPage, fourKiBPage
  }

  private var masks = [UInt64](repeating: 0, count: Field.allCases.count)

  /// `width` is what the manual calls MAXPHYADDR, `nxe` is IA32_EFER.NXE.
  package init(_ kind: Kind, width: Int, nxe: Bool) {
    mark(0...0, .present)
    mark(1...1, .writable)
    mark(2...2, .user)
    mark(3...3, .writeThrough)
    mark(4...4, .cacheDisable)
    mark(5...5, .accessed)
    if width < 52 { mark(width...51, .reserved) }
    mark(52...62, .ignored)
    mark(63...63, nxe ? .executeDisable : .reserved)

    switch kind {
    case .upperTable, .table:
      mark(6...6, .ignored)
      mark(7...7, kind == .table ? .pageSize : .reserved)
      mark(8...11, .ignored)
      mark(12...width - 1, .address)
    case .oneGiBPage, .twoMiBPage:
      mark(6...6, .dirty)
      mark(7...7, .pageSize)
      mark(8...8, .global)
      mark(9...11, .ignored)
      mark(12...12, .attribute)
      let start = kind == .oneGiBPage ? 30 : 21
      mark(13...start - 1, .reserved)
      mark(start...width - 1, .address)
    case .fourKiBPage:
      mark(6...6, .dirty)
      mark(7...7, .attribute)
      mark(8...8, .global)
      mark(9...11, .ignored)
      mark(12...width - 1, .address)
    }
  }

  private mutating func mark(_ bits: ClosedRange<Int>, _ field: Field) {
    for bit in bits { masks[field.rawValue] |= 1 << UInt64(bit) }
  }

  /// The bits of `field`, where they lie.
  package func mask(_ field: Field) -> UInt64 { masks[field.rawValue] }

  package func has(_ field: Field, in entry: PageTableEntry) -> Bool {
    entry.rawValue & masks[field.rawValue] != 0
  }
}

extension ManualFormat {
  /// How a processor takes an entry with `rawValue` in a table at `level`; nil if it cannot be.
  package static func kind(of rawValue: UInt64, level: Int, hasOneGiBPages: Bool) -> Kind? {
    let pageSize = rawValue >> 7 & 1 == 1
    switch level {
    case 1: return .fourKiBPage
    case 2: return pageSize ? .twoMiBPage : .table
    case 3 where pageSize: return hasOneGiBPages ? .oneGiBPage : nil
    case 3: return .table
    default: return .upperTable
    }
  }

  /// The kind of leaf that translates a page of `size`.
  package static func kind(of size: PageSize) -> Kind {
    switch size {
    case .fourKiB: .fourKiBPage
    case .twoMiB: .twoMiBPage
    case .oneGiB: .oneGiBPage
    }
  }
}
