package import TesseraHardware

// Operations that first split the large pages that lie across the ends of the range. After that,
// these fail only if another thread has mapped a larger page there.

extension PiecewiseRange {
  /// As `Cursor.unmap`. Adds the number of bytes that were mapped to `unmapped`.
  ///
  /// Throws `outOfFrames`. Has then changed nothing, unless another thread mapped a large page
  /// across an end of the range meanwhile: everything before that page is then unmapped.
  package func unmap(_ unmapped: inout UInt64) throws(TesseraError) {
    try changeEachPiece { cursor throws(TesseraError) in
      unmapped &+= try cursor.unmap(cursor.byteCountLeft)
    }
  }

  /// As `Cursor.protect`. Adds the number of bytes that are mapped to `mapped`, and throws, as
  /// `unmap` does.
  package func protect(to access: PageAccess, _ mapped: inout UInt64) throws(TesseraError) {
    try changeEachPiece { cursor throws(TesseraError) in
      mapped &+= try cursor.protect(cursor.byteCountLeft, to: access)
    }
  }

  /// As `Cursor.change`. Adds the number of bytes whose pages are not as before to `changed`, and
  /// throws, as `unmap` does.
  package func change(by change: PageChange, _ changed: inout UInt64) throws(TesseraError) {
    try changeEachPiece { cursor throws(TesseraError) in
      changed &+= try cursor.change(cursor.byteCountLeft, by: change)
    }
  }

  /// Splits what lies across the ends of the range, and calls `body` with a cursor over each piece.
  @inline(__always)
  package func changeEachPiece(
    _ body: (inout Cursor) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    try splitEnds()
    try forEachPiece(body)
  }

  /// Splits the large pages and statuses that lie across the ends of the range, one at a time: with
  /// preemption off, a split takes as long as the work on a piece. The cursor of a short range does
  /// it itself.
  ///
  /// Throws `outOfFrames` before anything has changed.
  func splitEnds() throws(TesseraError) {
    if isSinglePiece && 2 * pageCount <= Self.pageLimit { return }
    let last = VirtualAddress(end.rawValue &- 1)
    let (first, level) = entry(at: start)
    let firstEnd = start.last(in: level.span).advanced(unchecked: 1)
    if level > .leafTable && firstEnd >= end { return try split(start..<end) }
    let (other, lastLevel) = entry(at: last)
    let startCount = Self.splitCount(first, level, at: start)
    let endCount = Self.splitCount(other, lastLevel, at: end)
    var none = NodeReservation()
    var startNodes = try NodeReservation(startCount, from: &none)
    var endNodes = try NodeReservation(endCount, from: &none)
    if startCount > 0 { try split(start..<min(firstEnd, end), using: &startNodes) }
    if endCount > 0 { try split(last.alignedDown(to: lastLevel.span)..<end, using: &endNodes) }
  }

  /// Splits what lies across the ends of `range`, part of this one. Its cursor allocates what
  /// `nodes` lacks.
  private func split(_ range: Range<VirtualAddress>, using nodes: inout NodeReservation)
    throws(TesseraError)
  {
    try Preemption.disabled { () throws(TesseraError) in
      var cursor = Cursor(locking: range, of: root)
      swap(&cursor.reserve, &nodes)
      defer { swap(&cursor.reserve, &nodes) }
      try cursor.splitEdges(to: range.upperBound)
    }
  }

  private func split(_ range: Range<VirtualAddress>) throws(TesseraError) {
    var none = NodeReservation()
    try split(range, using: &none)
  }

  /// The number of nodes that it takes to split `entry` of `level` at `border`.
  private static func splitCount(
    _ entry: PageTableEntry, _ level: PagingLevel, at border: VirtualAddress
  ) -> Int {
    var count = 0
    var level = level
    while level > .leafTable && !entry.isAbsent && !border.isAligned(to: level.span) {
      count += 1
      level = level.below
    }
    return count
  }
}
