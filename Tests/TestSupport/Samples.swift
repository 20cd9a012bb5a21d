import TesseraHardware

/// Values that the tests of entries share.
package enum Samples {
  package static let sizes: [PageSize] = [.fourKiB, .twoMiB, .oneGiB]

  /// Every width that processors have, and the least that a hypervisor may give.
  package static let widths = [32] + Array(36...52)

  /// A processor that has everything. Tests name the mode: the current one is the whole process's,
  /// and tests of other suites that run at the same time may install another.
  package static let mode = PagingMode()

  package static let levels = (1...5).map { PagingLevel($0) }

  /// The lowest address for a page of `size`, the highest below 2^`width`, and one between.
  package static func addresses(size: PageSize, width: Int) -> [PhysicalAddress] {
    let limit = (1 as UInt64) << UInt64(width)
    let highest = limit - size.byteCount
    let mixed = 0x000a_5a5a_5a5a_5000 & (limit - 1) & ~(size.byteCount - 1)
    return [0, mixed, highest].map { PhysicalAddress($0) }
  }

  /// Both numbers of levels, with `width`, with and without no-execute.
  package static func modes(width: Int) -> [PagingMode] {
    [4, 5].flatMap { root in
      [true, false].map { noExecute in
        PagingMode(
          rootLevel: PagingLevel(root), physicalAddressWidth: width, hasNoExecute: noExecute)
      }
    }
  }

  package static func hexadecimal(_ entry: PageTableEntry) -> String {
    "0x" + String(entry.rawValue, radix: 16)
  }
}
