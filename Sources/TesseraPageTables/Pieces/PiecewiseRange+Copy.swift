package import TesseraHardware

extension PiecewiseRange {
  /// Copies what `source`, the same addresses of another address space, maps, as `Cursor.copy`.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`. Has then changed nothing, unless another thread
  /// changed one of the ranges meanwhile: the first part of `source` may then have been copied.
  package func copy(from source: PiecewiseRange) throws(TesseraError) {
    var nodes = NodeReservation()
    if !isSinglePiece { nodes = try reserveNodes(toCopy: source) }
    try source.splitEnds()
    try forEachPiece(and: source) { target, origin throws(TesseraError) in
      swap(&target.reserve, &nodes)
      defer { swap(&target.reserve, &nodes) }
      try target.copy(from: &origin, target.byteCountLeft)
    }
  }

  /// Checks that no page of the range is mapped or has a status, and allocates the nodes that are
  /// missing for what `source` maps.
  private func reserveNodes(toCopy source: PiecewiseRange) throws(TesseraError) -> NodeReservation {
    var count = 0
    var lastUsed: VirtualAddress?
    try forEachPiece(and: source) { target, origin throws(TesseraError) in
      count += try target.missingNodeCount(toCopy: origin, after: &lastUsed)
    }
    var none = NodeReservation()
    return try NodeReservation(count, from: &none)
  }

  /// Calls `body` with a cursor over each piece here, and one over the same addresses of `source`.
  private func forEachPiece(
    and source: PiecewiseRange, _ body: (inout Cursor, inout Cursor) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    var position = start
    while position < end {
      position = try Preemption.disabled { () throws(TesseraError) in
        let pieceEnd = endOfPiece(from: position, with: source)
        try withCursors(position..<pieceEnd, source, body)
        return pieceEnd
      }
    }
  }

  /// The end of the piece from `position` of both ranges. It does not cut a large page of `source`,
  /// which would have to be split.
  private func endOfPiece(
    from position: VirtualAddress, with source: PiecewiseRange
  ) -> VirtualAddress {
    let sourceEnd = source.endOfPiece(from: position, within: .max)
    let targetEnd = endOfPiece(from: position, within: .max)
    let (entry, level) = source.entry(at: position)
    guard level > .leafTable, !entry.isAbsent else { return min(sourceEnd, targetEnd) }
    let entryEnd = position.last(in: level.span).advanced(unchecked: 1)
    return min(sourceEnd, max(targetEnd, entryEnd))
  }

  /// Calls `body` with a cursor over `piece` here and one of `source`, opened in an order that does
  /// not depend on the direction, or two copies could wait for each other.
  private func withCursors(
    _ piece: Range<VirtualAddress>, _ source: PiecewiseRange,
    _ body: (inout Cursor, inout Cursor) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    if root.address < source.root.address {
      var target = Cursor(locking: piece, of: root)
      var origin = Cursor(locking: piece, of: source.root)
      try body(&target, &origin)
    } else {
      var origin = Cursor(locking: piece, of: source.root)
      var target = Cursor(locking: piece, of: root)
      try body(&target, &origin)
    }
  }
}
