internal import TesseraHardware

/// Contiguous pages of one size, in one word, so that opening and closing a cursor with nothing to
/// flush is cheap.
///
/// | Bits    | Meaning                           |
/// |---------|-----------------------------------|
/// | 1...0   | the size of the pages             |
/// | 11...2  | their number; 0 = no range        |
/// | 63...12 | the first address, over 4096      |
struct PendingRange {
  private(set) var word: UInt64

  @inline(__always)
  init(word: UInt64) { self.word = word }

  /// The page of `size` at `address`.
  @inline(__always)
  init(_ address: VirtualAddress, _ size: PageSize) {
    word = address.rawValue | Self.onePage | UInt64(size.rawValue)
  }

  @inline(__always)
  static var none: PendingRange { PendingRange(word: 0) }
  /// All that is cached: more pages than there are.
  @inline(__always)
  static var everything: PendingRange { PendingRange(word: .max) }

  private static var onePage: UInt64 { 1 << 2 }

  @inline(__always)
  var isEmpty: Bool { word == 0 }
  @inline(__always)
  var isEverything: Bool { word == .max }

  var pageCount: Int { Int(word >> 2 & 1023) }
  var start: VirtualAddress { VirtualAddress(word & ~4095) }
  private var shift: UInt64 { 12 + 9 * (word & 3) }

  /// Adds the page of `size` at `address` if it is the next one. Returns whether it was.
  mutating func extend(by address: VirtualAddress, _ size: PageSize) -> Bool {
    guard
      size.shift == shift && address == start.advanced(unchecked: UInt64(pageCount) << shift)
    else { return false }
    word += Self.onePage
    return true
  }

  /// Returns whether a byte of the page of `size` at `address` is in one of the pages.
  func includes(_ address: VirtualAddress, _ size: PageSize) -> Bool {
    if isEmpty || isEverything { return isEverything }
    let last = start.advanced(unchecked: UInt64(pageCount) << shift &- 1)
    return address <= last && start <= address.last(in: size.byteCount)
  }

  func invalidate() {
    for index in 0..<UInt64(pageCount) {
      Processor.invalidatePage(at: start.rawValue &+ index << shift)
    }
  }
}
