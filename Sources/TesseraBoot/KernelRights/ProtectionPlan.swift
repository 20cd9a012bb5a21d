internal import TesseraHardware
internal import TesseraPageTables

/// What becomes of the entries of the kernel half by a `KernelProtection`, once it is known where
/// the kernel's code and constants are in physical memory.
///
/// Code is executable at its own addresses alone. No address that maps code or constants is
/// writable: a write to a second mapping of code is a write to code.
package struct ProtectionPlan: Sendable {
  /// The addresses of the code; empty if rights to execute stay.
  var code: Range<UInt64> = 0..<0
  /// The memory of the code, and of the constants.
  var readOnly: (code: Range<UInt64>, constants: Range<UInt64>) = (0..<0, 0..<0)
  var unmapsPageZero = false

  package init() {}

  /// Whether anything changes.
  var isEmpty: Bool { code.isEmpty && !unmapsPageZero }

  func change(of entry: KernelPages.Entry) -> KernelPages.Change {
    guard entry.kind == .leaf, let size = entry.level.pageSize else { return .keep }
    if unmapsPageZero && entry.first == 0 {
      return size == .fourKiB ? .replace(.absent) : .split
    }
    if code.isEmpty { return .keep }
    switch Overlap(of: entry.first, entry.last, with: code) {
    case .part: return .split
    case .whole: return .replace(LeafChange(to: .readExecute).applied(to: entry.value))
    case .none: return changeOfData(entry, size)
    }
  }

  private func changeOfData(
    _ entry: KernelPages.Entry, _ size: PageSize
  ) -> KernelPages.Change {
    let value = entry.value.rawValue
    let first = entry.value.leafAddress(size: size).rawValue
    let last = first + (size.byteCount - 1)
    let ofCode = Overlap(of: first, last, with: readOnly.code)
    let ofConstants = Overlap(of: first, last, with: readOnly.constants)
    var kept = UInt64.max
    if value & PageTableEntry.writable != 0 && (ofCode != .none || ofConstants != .none) {
      if size != .fourKiB && ofCode != .whole && ofConstants != .whole { return .split }
      kept = ~PageTableEntry.writable
    }
    return .replace(PageTableEntry(rawValue: value & kept | PageTableEntry.noExecute))
  }
}

/// How much of a range of bytes lies in another.
enum Overlap {
  case none, part, whole

  /// The bytes from `first` to `last`.
  init(of first: UInt64, _ last: UInt64, with range: Range<UInt64>) {
    if range.isEmpty || last < range.lowerBound || first >= range.upperBound {
      self = .none
    } else {
      self = first >= range.lowerBound && last < range.upperBound ? .whole : .part
    }
  }
}
