import TesseraHardware

/// The format of one kind of paging-structure entry according to the manual.
///
/// Transcribed row by row from the tables "Format of a …" in Intel SDM Vol. 3A, "4-Level Paging and
/// 5-Level Paging", independently of the library's entries, which are compared with it.
package struct ManualFormat {
  package enum Field: Int, CaseIterable {
    case present, writable, user, writeThrough, cacheDisable, accessed, dirty, pageSize
    case attribute, global, ignored, address, reserved, executeDisable
  }

  /// The kinds of entries that a processor distinguishes.
  package enum Kind: CaseIterable {
    /// PML5E and PML4E.
    case upperTable
    /// PDPTE and PDE that refer to a table.
    case table
    case oneGiBPage, twoMiBPage, fourKiBPage
  }

  private var masks = [UInt64](repeating: 0, count: Field.allCases.count)

  /// Creates the format of `kind`, where `width` is MAXPHYADDR and `nxe` is IA32_EFER.NXE.
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

  /// Returns the mask of the bits of `field`.
  package func mask(_ field: Field) -> UInt64 { masks[field.rawValue] }

  package func has(_ field: Field, in entry: PageTableEntry) -> Bool {
    entry.rawValue & masks[field.rawValue] != 0
  }
}

extension ManualFormat {
  /// Returns the kind of a present entry with `rawValue` in a table at `level`, or nil if it is a
  /// 1 GiB page and the processor has none.
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

  /// Returns the kind of leaf that translates a page of `size`.
  package static func kind(of size: PageSize) -> Kind {
    switch size {
    case .fourKiB: .fourKiBPage
    case .twoMiB: .twoMiBPage
    case .oneGiB: .oneGiBPage
    }
  }
}
