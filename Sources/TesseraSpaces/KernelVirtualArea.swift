internal import Synchronization
package import TesseraHardware
package import TesseraPageTables

/// Finds free addresses in the kernel virtual area.
///
/// The page tables alone say what is free: the search goes from one page that is mapped or has a
/// status to the next, until a gap is long enough. It is next-fit, so that addresses are not reused
/// soon and a stale pointer faults for as long as possible.
///
/// Each mapping has a guard page before it and one after it, which are not mapped. Two mappings may
/// share one.
package enum KernelVirtualArea {
  /// The addresses of the area.
  static var range: Range<VirtualAddress> { AddressSpaceLayout.kernelVirtualArea }

  private static var byteCount: UInt64 { range.upperBound.byteCount(from: range.lowerBound) }
  static var guardByteCount: UInt64 { PageSize.fourKiB.byteCount }

  /// The offset in the area at which the next search begins: the end of the latest mapping, where
  /// its guard page is.
  ///
  /// Access: atomic.
  private static let nextOffset = Atomic<UInt64>(0)

  /// Makes the next search begin at the start of the area. Called when the kernel space is started.
  static func reset() {
    // Ordering: relaxed; nothing else runs.
    nextOffset.store(0, ordering: .relaxed)
  }

  /// Unmaps `range`, all of which is one mapping, and drops the references to its frames.
  package static func unmap(_ range: Range<VirtualAddress>) {
    var unmapped: UInt64 = 0
    do throws(TesseraError) {
      try PiecewiseRange(range, of: KernelSpace.root).unmap(&unmapped)
    } catch {
      // A mapping has its pages to itself, so none has to be split.
      panic("a kernel mapping shares a large page with another")
    }
  }

  /// Finds free addresses for `byteCount` bytes and their guard pages, and calls `body` to map the
  /// bytes. Returns their addresses.
  ///
  /// Nothing is locked meanwhile: `body` throws `alreadyMapped` if another thread has mapped a page
  /// of them first, and is called again with others.
  ///
  /// If the bytes are to map `memory`, the addresses are congruent with it, so that as much as
  /// possible is mapped in large pages.
  ///
  /// - Throws: `outOfFrames` if no gap is long enough, and what else `body` throws.
  package static func withFreeRange(
    _ byteCount: UInt64, for memory: PhysicalAddress? = nil,
    _ body: (PiecewiseRange) throws(TesseraError) -> Void
  ) throws(TesseraError) -> Range<VirtualAddress> {
    guard byteCount > 0, byteCount <= self.byteCount - 2 * guardByteCount else {
      throw .outOfFrames
    }
    var size = memory == nil ? .fourKiB : largestPage(for: byteCount)
    while true {
      let place = FreePlace(byteCount, size, memory ?? .zero)
      if let found = try search(for: place, body) { return found }
      guard let smaller = size.smaller else { throw .outOfFrames }
      size = smaller
    }
  }

  /// The largest page that can be a part of `byteCount` bytes.
  private static func largestPage(for byteCount: UInt64) -> PageSize {
    if byteCount >= PageSize.oneGiB.byteCount && PagingMode.current.hasOneGiBPages {
      return .oneGiB
    }
    return byteCount >= PageSize.twoMiB.byteCount ? .twoMiB : .fourKiB
  }

  /// Searches from the end of the latest mapping to the end of the area, and then from its start.
  private static func search(
    for place: FreePlace, _ body: (PiecewiseRange) throws(TesseraError) -> Void
  ) throws(TesseraError) -> Range<VirtualAddress>? {
    // Ordering: relaxed; a hint. What is mapped decides.
    let hint = nextOffset.load(ordering: .relaxed)
    let last = byteCount - place.byteCount - guardByteCount
    if let found = try search(for: place, from: hint, to: last, body) { return found }
    return try search(for: place, from: 0, to: min(hint + guardByteCount, last), body)
  }

  /// Searches for a place whose guard page begins at `offset` or later, and whose bytes begin at
  /// `last` at the latest.
  private static func search(
    for place: FreePlace, from offset: UInt64, to last: UInt64,
    _ body: (PiecewiseRange) throws(TesseraError) -> Void
  ) throws(TesseraError) -> Range<VirtualAddress>? {
    var start = place.first(from: offset + guardByteCount)
    while start <= last {
      let address = VirtualAddress(range.lowerBound.rawValue + start)
      let bytes = address..<VirtualAddress(address.rawValue + place.byteCount)
      guard let usedEnd = try tryMapping(bytes, body) else { return bytes }
      start = place.first(
        from: usedEnd.byteCount(from: range.lowerBound) + guardByteCount)
    }
    return nil
  }

  /// Calls `body` to map `bytes`, if they and the pages before and after them are absent. Otherwise
  /// returns the end of the first that is not.
  private static func tryMapping(
    _ bytes: Range<VirtualAddress>, _ body: (PiecewiseRange) throws(TesseraError) -> Void
  ) throws(TesseraError) -> VirtualAddress? {
    let first = VirtualAddress(bytes.lowerBound.rawValue - guardByteCount)
    let end = VirtualAddress(bytes.upperBound.rawValue + guardByteCount)
    if let usedEnd = endOfFirstUsed(in: first..<end) { return usedEnd }
    // Before the pages are mapped, so that other threads search elsewhere.
    // Ordering: relaxed; see above.
    nextOffset.store(bytes.upperBound.byteCount(from: range.lowerBound), ordering: .relaxed)
    do throws(TesseraError) {
      try body(PiecewiseRange(bytes, of: KernelSpace.root))
      return nil
    } catch .alreadyMapped(let page) {
      return page.advanced(byChecked: PageSize.fourKiB.byteCount)
    } catch { throw error }
  }

  /// Returns the end of the first entry in `range` that is not absent; nil if there is none.
  private static func endOfFirstUsed(in range: Range<VirtualAddress>) -> VirtualAddress? {
    do throws(UsedPage) {
      try PiecewiseRange(range, of: KernelSpace.root).forEachPiece { cursor throws(UsedPage) in
        guard let end = cursor.endOfFirstUsed(within: cursor.byteCountLeft) else { return }
        throw UsedPage(end: end)
      }
      return nil
    } catch { return error.end }
  }

  /// Ends a search: a page is not absent.
  private struct UsedPage: Error {
    let end: VirtualAddress
  }
}

/// What is searched for: so many bytes, at an offset with a given remainder.
private struct FreePlace {
  let byteCount: UInt64
  private let alignment: UInt64
  private let remainder: UInt64

  /// Addresses that differ from those of the memory at `memory` by multiples of `size`.
  init(_ byteCount: UInt64, _ size: PageSize, _ memory: PhysicalAddress) {
    self.byteCount = byteCount
    alignment = size.byteCount
    remainder = memory.rawValue % size.byteCount & ~(PageSize.fourKiB.byteCount - 1)
  }

  /// The first suitable offset that is not below `offset`, a multiple of 4096. The area begins at a
  /// multiple of the largest page.
  func first(from offset: UInt64) -> UInt64 {
    offset + (remainder &- offset) % alignment
  }
}

extension PageSize {
  /// The next smaller size, if there is one.
  fileprivate var smaller: PageSize? {
    switch self {
    case .oneGiB: .twoMiB
    case .twoMiB: .fourKiB
    default: nil
    }
  }
}
