public import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Moves the pages of `range`, and the statuses there, to as many bytes from `target`, which are
  /// absent. What a page contains is not copied. See `Cursor.move`.
  ///
  /// With one cursor over both ranges and everything between them: that stays locked, and
  /// preemption off, for as long as it takes, for which there is no bound. The TLBs are flushed
  /// once.
  ///
  /// - Throws: `empty`; `notAligned`; `outOfBounds` also if the ranges have a page in common;
  ///   `alreadyMapped` if a page of the new range is mapped or has a status; and `outOfFrames`.
  ///   Nothing has changed then.
  ///
  /// If the pager pages the space, it finds the pages at their new addresses, but for those that
  /// another space maps too, which stay in memory from then on.
  public borrowing func move(
    _ range: Range<VirtualAddress>, to target: VirtualAddress
  ) throws(TesseraError) {
    let (start, end) = (range.lowerBound, range.upperBound)
    guard start < end else { throw .empty }
    guard start.isAligned(to: .fourKiB), end.isAligned(to: .fourKiB) else { throw .notAligned }
    let byteCount = end.byteCount(from: start)
    guard let targetEnd = target.advanced(byChecked: byteCount) else { throw .outOfBounds }
    let both = min(start, target)..<max(end, targetEnd)
    try withCursor(overMapped: both) { cursor throws(TesseraError) in
      try cursor.jump(to: start)
      try cursor.move(byteCount, to: target)
    }
    SpacePager.noteMove(in: root, from: start, to: target, byteCount)
  }
}
