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

  /// Returns whether a byte of the page of `size` at `address` is in a page that was added.
  func includes(_ address: VirtualAddress, _ size: PageSize) -> Bool {
    range.includes(address, size) || earlierRange.includes(address, size)
  }

  /// Adds `pageCount` contiguous pages of 4 KiB from `address`.
  mutating func add(_ address: VirtualAddress, pageCount: UInt64) {
    if pageCount > TLBFlusher.pageLimit { return addEverything() }
    for index in 0..<pageCount {
      add(address.advanced(unchecked: index &* PageSize.fourKiB.byteCount), .fourKiB)
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

  /// Ends this, and invalidates the pages on the processors that run on the tables under `root`, or
  /// on all of them, with global pages, if it is nil.
  @inline(__always)
  consuming func finish(under root: PageTableNode?) {
    if !range.isEmpty { TLBShootdown.flush(FlushedPages(range, earlierRange), under: root) }
    discard self
  }

  @inline(__always)
  deinit { require(isEmpty, "a TLB flush was forgotten") }
}
