public import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Returns the first address, at or after `hint`, of `byteCount` bytes that are neither mapped
  /// nor have a status, or else the first below `hint`. It is a multiple of `alignment`. Returns
  /// nil if the space has no such bytes.
  ///
  /// The page at address 0 is found only if `hint` is 0. A hint outside of the space is one below
  /// or above all of it.
  ///
  /// Locks the space a piece at a time, with preemption as it was in between. The answer is a hint
  /// itself: another thread may have mapped a page there by the time this returns. Mapping then
  /// throws `alreadyMapped`, and the caller searches again.
  ///
  /// - Throws: `empty` if `byteCount` is zero; `notAligned` if it is not a multiple of 4096, or
  ///   `alignment` is not a power of two and at least 4096.
  public borrowing func findFree(
    byteCount: UInt64, alignedTo alignment: UInt64 = PageSize.fourKiB.byteCount,
    from hint: VirtualAddress
  ) throws(TesseraError) -> VirtualAddress? {
    let page = PageSize.fourKiB.byteCount
    guard byteCount > 0 else { throw .empty }
    guard byteCount % page == 0, alignment >= page, alignment & (alignment - 1) == 0 else {
      throw .notAligned
    }
    let (start, end) = (Self.start, Self.end)
    guard byteCount <= end.byteCount(from: start) else { return nil }
    let first = max(start, min(end, hint.advanced(byChecked: page - 1) ?? end))
      .alignedDown(to: page)
    if let found = findFree(byteCount, alignedTo: alignment, in: first, end) { return found }
    // What begins before the hint ends before this.
    let last = min(end, VirtualAddress(first.rawValue + byteCount - page))
    return findFree(byteCount, alignedTo: alignment, in: max(start, VirtualAddress(page)), last)
  }

  private borrowing func findFree(
    _ byteCount: UInt64, alignedTo alignment: UInt64, in start: VirtualAddress,
    _ end: VirtualAddress
  ) -> VirtualAddress? {
    guard start < end, end.byteCount(from: start) >= byteCount else { return nil }
    return PiecewiseRange(start..<end, of: root).findFree(byteCount, alignedTo: alignment)
  }
}
