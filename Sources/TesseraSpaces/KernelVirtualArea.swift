internal import Synchronization
package import TesseraHardware
package import TesseraPageTables

/// Finds free addresses in the kernel virtual area.
///
/// The page tables alone say what is free: the search goes from one mapped page to the next until
/// a gap is long enough. It is next-fit, so that addresses are not reused soon and a stale pointer
/// faults for as long as possible.
package enum KernelVirtualArea {
  /// The addresses of the area.
  static var range: Range<VirtualAddress> { AddressSpaceLayout.kernelVirtualArea }

  private static var byteCount: UInt64 { range.upperBound.byteCount(from: range.lowerBound) }

  /// The offset in the area at which the next search begins: the end of the latest mapping.
  ///
  /// Access: atomic.
  private static let nextOffset = Atomic<UInt64>(0)

  /// Locks `range`, which lies in the area.
  @_lifetime(immortal)
  static func lock(_ range: Range<VirtualAddress>) -> Cursor {
    Cursor(locking: range, of: KernelSpace.root)
  }

  /// Finds free addresses for `byteCount` bytes and a guard page, locks them, and calls `body` to
  /// map the bytes. Returns their addresses.
  ///
  /// - Throws: `outOfFrames` if no gap is long enough, and what `body` throws.
  package static func withFreeRange(
    _ byteCount: UInt64, _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(MapError) -> Range<VirtualAddress> {
    let guardByteCount = PageSize.fourKiB.byteCount
    guard byteCount > 0, byteCount <= self.byteCount - guardByteCount else { throw .outOfFrames }
    let needed = byteCount + guardByteCount
    // Ordering: relaxed; a hint. The locks of the range decide.
    let hint = nextOffset.load(ordering: .relaxed)
    var offset = hint
    var hasWrapped = false
    while true {
      if self.byteCount - offset < needed {
        if hasWrapped { throw .outOfFrames }
        hasWrapped = true
        offset = 0
      }
      let start = VirtualAddress(range.lowerBound.rawValue + offset)
      guard let mappedEnd = try tryMapping(at: start, needed, body) else {
        // Ordering: relaxed; see above.
        nextOffset.store(offset + needed, ordering: .relaxed)
        return start..<VirtualAddress(start.rawValue + byteCount)
      }
      offset = mappedEnd.byteCount(from: range.lowerBound)
      if hasWrapped && offset > hint { throw .outOfFrames }
    }
  }

  /// Calls `body` to map at `start`, if the `needed` bytes there are free. Otherwise returns the
  /// end of the first page that is mapped among them.
  private static func tryMapping(
    at start: VirtualAddress, _ needed: UInt64,
    _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(MapError) -> VirtualAddress? {
    var cursor = lock(start..<VirtualAddress(start.rawValue + needed))
    if cursor.findNext(within: needed) { return cursor.endOfEntry }
    cursor.rewind()
    try body(&cursor)
    return nil
  }
}
