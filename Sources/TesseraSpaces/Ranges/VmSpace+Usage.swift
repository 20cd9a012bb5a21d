public import TesseraHardware
public import TesseraPageTables

extension VmSpace {
  /// Returns the number of bytes in `range` that are mapped to frames which the mappings own, pages
  /// without access included. Statuses, device memory and the frame of zeros do not count; a frame
  /// that several pages share counts for each.
  ///
  /// Locks a piece at a time, with preemption as it was in between: what other threads change
  /// meanwhile counts or not, page by page.
  ///
  /// - Throws: `empty`, `notAligned` and `outOfBounds`.
  public borrowing func residentByteCount(
    in range: Range<VirtualAddress>
  ) throws(TesseraError) -> UInt64 {
    try pieces(of: range).residentByteCount
  }

  /// Returns the numbers of bytes of the pages in `range` whose accessed bit and whose dirty bit
  /// are set, pages without access included, and clears the bits in `cleared` in all pages.
  ///
  /// A large page that lies only partly in the range has one bit of each kind: it counts with all
  /// its bytes, and its bits are cleared. Locks a piece at a time, with preemption as it was in
  /// between, and flushes the TLB after each piece in which a bit was cleared.
  ///
  /// - Throws: `empty`, `notAligned` and `outOfBounds`.
  @discardableResult
  public borrowing func harvest(
    in range: Range<VirtualAddress>, clearing cleared: AccessBits
  ) throws(TesseraError) -> (accessed: UInt64, dirty: UInt64) {
    try pieces(of: range).harvest(clearing: cleared)
  }

  /// - Throws: `empty`, `notAligned` and `outOfBounds`.
  private borrowing func pieces(
    of range: Range<VirtualAddress>
  ) throws(TesseraError) -> PiecewiseRange {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    guard !range.isEmpty else { throw .empty }
    guard range.lowerBound.isAligned(to: .fourKiB), range.upperBound.isAligned(to: .fourKiB) else {
      throw .notAligned
    }
    return PiecewiseRange(range, of: root)
  }
}
