public import TesseraHardware
public import TesseraPageTables

extension VmSpace {
  /// Changes every mapped page in `range` by `change`, as a cursor over the range does. Returns the
  /// number of bytes whose pages are not as before. Preemption is off meanwhile.
  ///
  /// - Throws: `empty`, `notAligned`, `outOfBounds`, and `outOfFrames` if a large page that lies
  ///   only partly in the range cannot be split.
  @discardableResult
  public borrowing func change(
    _ range: Range<VirtualAddress>, by change: PageChange
  ) throws(TesseraError) -> UInt64 {
    try withCursor(over: range) { cursor throws(TesseraError) in
      try cursor.change(range.upperBound.byteCount(from: range.lowerBound), by: change)
    }
  }
}
