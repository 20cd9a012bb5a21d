internal import TesseraHardware

/// Pages whose invalidation is pending: up to two ranges, or everything.
@frozen
package struct PendingInvalidations: ~Copyable {
  /// The range that grows, and the one before it.
  private var range = PendingRange.none
  private var earlierRange = PendingRange.none

  @inline(__always)
  init() {}

  @inline(__always)
  var isEmpty: Bool { range.isEmpty }

  /// Adds the page of `size` at `address`.
  @inline(__always)
  mutating func add(_ address: VirtualAddress, _ size: PageSize) {
    if range.isEverything { return }
    if range.isEmpty {
      range = PendingRange(address, size)
    } else {
      (range, earlierRange) = Self.merge(range, earlierRange, address, size)
    }
  }

  /// Adds all pages.
  mutating func addEverything() { range = .everything }

  /// The ranges with the page of `size` at `address` added.
  ///
  /// Not a method: taken by reference, the whole cursor would have to be in memory.
  @inline(never)
  private static func merge(
    _ range: PendingRange, _ earlierRange: PendingRange, _ address: VirtualAddress,
    _ size: PageSize
  ) -> (PendingRange, PendingRange) {
    if range.pageCount + earlierRange.pageCount >= TLBFlusher.pageLimit {
      return (.everything, earlierRange)
    }
    var range = range
    if range.extend(by: address, size) { return (range, earlierRange) }
    if earlierRange.isEmpty { return (PendingRange(address, size), range) }
    return (.everything, earlierRange)
  }

  /// Ends this, and invalidates the pages on this processor if `isNeeded`.
  @inline(__always)
  consuming func finish(flushing isNeeded: Bool, alsoGlobal: Bool) {
    if isNeeded { Self.invalidate(range, earlierRange, alsoGlobal: alsoGlobal) }
    discard self
  }

  @inline(never)
  private static func invalidate(
    _ range: PendingRange, _ earlierRange: PendingRange, alsoGlobal: Bool
  ) {
    if FlushSwitch.isOff { return }
    if range.isEverything {
      FlushStatistics.countFull()
      Processor.invalidateAll(alsoGlobal: alsoGlobal)
    } else if range.pageCount == 1 && earlierRange.isEmpty {
      FlushStatistics.count(pages: 1)
      Processor.invalidatePage(at: range.start.rawValue)
    } else {
      FlushStatistics.count(pages: range.pageCount + earlierRange.pageCount)
      earlierRange.invalidate()
      range.invalidate()
    }
  }

  @inline(__always)
  deinit { require(isEmpty, "a TLB flush was forgotten") }
}

/// Contiguous pages of one size, in one word, so that opening and closing a cursor with nothing to
/// flush is cheap.
///
/// | Bits    | Meaning                           |
/// |---------|-----------------------------------|
/// | 1...0   | the size of the pages             |
/// | 11...2  | their number; 0 = no range        |
/// | 63...12 | the first address, over 4096      |
private struct PendingRange {
  private var word: UInt64

  @inline(__always)
  private init(word: UInt64) { self.word = word }

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

  func invalidate() {
    for index in 0..<UInt64(pageCount) {
      Processor.invalidatePage(at: start.rawValue &+ index << shift)
    }
  }
}
