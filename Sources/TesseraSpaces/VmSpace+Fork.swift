public import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Creates a space that maps what this one maps, for a fork: the same frames, which are copied
  /// before either space writes them, except for pages with `PageProperty.isShared`; the same
  /// device memory; and the same statuses. See `Cursor.copy`.
  ///
  /// In one pass, with the whole space locked and preemption off, and with one flush of the TLBs.
  /// The fault handler is not inherited.
  ///
  /// - Throws: `outOfFrames`; this space is then exactly as before.
  public borrowing func fork() throws(TesseraError) -> VmSpace {
    let child = try VmSpace()
    if root.pagerNumber != 0, let pager = SpacePager.current,
      !pager.addChild(root.address.rawValue, child.root.address.rawValue)
    {
      throw .outOfFrames
    }
    let range = Self.start..<Self.end
    try withCursor(overMapped: range) { source throws(TesseraError) in
      try child.withCursor(overMapped: range) { target throws(TesseraError) in
        try target.fork(from: &source, range.upperBound.byteCount(from: range.lowerBound))
      }
    }
    return child
  }
}
