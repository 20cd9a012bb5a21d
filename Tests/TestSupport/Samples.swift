import TesseraHardware

/// Sample values for the tests of entries.
package enum Samples {
  package static let sizes: [PageSize] = [.fourKiB, .twoMiB, .oneGiB]

  /// Every physical address width of a processor, and the least that a hypervisor may report.
  package static let widths = [32] + Array(36...52)

  /// The mode of a processor with all features.
  ///
  /// Tests pass a mode explicitly, because the current one belongs to the process, and a test of
  /// another suite may install its own at the same time.
  package static let mode = PagingMode()

  package static let levels = (1...5).map { PagingLevel($0) }

  /// Returns the lowest address of a page of `size`, the highest below 2^`width`, and one between.
  package static func addresses(size: PageSize, width: Int) -> [PhysicalAddress] {
    let limit = (1 as UInt64) << UInt64(width)
    let highest = limit - size.byteCount
    let mixed = 0x000a_5a5a_5a5a_5000 & (limit - 1) & ~(size.byteCount - 1)
    return [0, mixed, highest].map { PhysicalAddress($0) }
  }

  /// Returns the modes with four and five levels, with and without no-execute, of `width`.
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
