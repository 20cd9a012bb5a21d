package import TesseraHardware

/// A range of an address space that is operated on piece by piece, each with a cursor of its own
/// and with preemption off as long as that is open. What a piece has unmapped is freed with
/// preemption on again.
///
/// One cursor over the whole range would keep the range locked, and preemption off, for as long as
/// the operation takes. A piece has at most `pageLimit` pages of 4 KiB, or as many entries of one
/// node above the leaf tables. Between two pieces, other threads may change what is mapped. So each
/// operation first checks all pieces and allocates what it needs, and then changes them: on its
/// own, it fails before it has changed anything. What happens if another thread comes between is
/// part of each operation's description.
package struct PiecewiseRange {
  let root: PageTableNode
  package let start: VirtualAddress
  package let end: VirtualAddress

  /// The pages of `range`, which is not empty, page-aligned and within one half of the address
  /// space, under `root`, which outlives this.
  package init(_ range: Range<VirtualAddress>, of root: PageTableNode) {
    self.root = root
    start = range.lowerBound
    end = range.upperBound
  }

  /// The largest number of 4 KiB pages in one piece.
  ///
  /// Copying or unmapping a page is the work that takes longest, some 200 instructions. Frames are
  /// freed between pieces.
  package static var pageLimit: Int { 128 }

  package var byteCount: UInt64 { end.distance(from: start) }

  /// The number of 4 KiB pages.
  package var pageCount: Int { Int(byteCount / PageSize.fourKiB.byteCount) }

  /// Whether the range is the kernel's.
  package var isKernel: Bool { Int64(bitPattern: start.rawValue) < 0 }

  /// Whether the range is one piece, whatever is mapped.
  package var isSinglePiece: Bool { isSinglePiece(from: start) }

  private func isSinglePiece(from position: VirtualAddress) -> Bool {
    let last = VirtualAddress(end.rawValue &- 1)
    return end.distance(from: position) <= Self.pieceByteCount
      && position.rawValue ^ last.rawValue < PagingLevel.leafTable.tableSpan
  }

  private static var pieceByteCount: UInt64 { UInt64(pageLimit) * PageSize.fourKiB.byteCount }

  /// Calls `body` with a cursor over each piece, by ascending address.
  ///
  /// No piece reaches across a multiple of `largestSpan`.
  @inline(__always)
  package func forEachPiece<Failure: Error>(
    within largestSpan: UInt64 = .max, _ body: (inout Cursor) throws(Failure) -> Void
  ) throws(Failure) {
    var nodes = NodeReservation()
    try forEachPiece(within: largestSpan, using: &nodes, body)
  }

  /// As `forEachPiece(within:_:)`, with cursors that take nodes from `nodes` first.
  ///
  /// Not inlined: opening and closing a cursor is much code.
  @inline(never)
  func forEachPiece<Failure: Error>(
    within largestSpan: UInt64 = .max, using nodes: inout NodeReservation,
    _ body: (inout Cursor) throws(Failure) -> Void
  ) throws(Failure) {
    var position = start
    while position < end {
      let piece = try Preemption.disabled { () throws(Failure) in
        let pieceEnd = endOfPiece(from: position, within: largestSpan)
        var cursor = Cursor(locking: position..<pieceEnd, of: root)
        swap(&cursor.reserve, &nodes)
        do throws(Failure) { try body(&cursor) } catch {
          swap(&cursor.reserve, &nodes)
          throw error
        }
        swap(&cursor.reserve, &nodes)
        return FinishedPiece(end: pieceEnd, unmapped: cursor.close())
      }
      position = piece.end
      // What the piece has unmapped is freed here, with preemption on again.
    }
  }

  /// The end of the piece that begins at `position`. The caller is not preempted.
  func endOfPiece(from position: VirtualAddress, within largestSpan: UInt64) -> VirtualAddress {
    if isSinglePiece(from: position) { return end }
    let limit = min(end, Self.end(of: largestSpan, at: position))
    while true {
      let version = TreeVersion()
      let found = root.walk(to: position, in: version) { entry, _ in entry.isTable }
      guard let (node, level) = found else { continue }
      let end = Self.endOfPiece(from: position, node, level, limit)
      if version.isLatest { return end }
    }
  }

  /// As `endOfPiece(from:within:)`, where `node`, of `level`, is the last that spans `position`.
  private static func endOfPiece(
    from position: VirtualAddress, _ node: PageTableNode, _ level: PagingLevel,
    _ limit: VirtualAddress
  ) -> VirtualAddress {
    if level == .leafTable {
      return min(limit, end(of: pieceByteCount, at: position))
    }
    // The entries up to the next that refers to a table.
    let first = position.index(at: level)
    let stop = min(512, first + pageLimit)
    var index = first + 1
    while index < stop && !node[index].isTable { index += 1 }
    let span = UInt64(index - first) << level.shift
    return min(limit, position.alignedDown(to: level.span).advanced(unchecked: span))
  }

  /// The first multiple of `span` after `position`, or the last address if there is none.
  private static func end(of span: UInt64, at position: VirtualAddress) -> VirtualAddress {
    span == .max ? VirtualAddress(.max) : position.last(in: span).advanced(unchecked: 1)
  }
}

/// A piece on which the work is done, and what that has unmapped, which is freed when this is
/// destroyed.
struct FinishedPiece: ~Copyable {
  let end: VirtualAddress
  let unmapped: DeferredFrames
}

extension PiecewiseRange {
  /// The entry that spans `address`, and its level, without a lock.
  package func entry(at address: VirtualAddress) -> (entry: PageTableEntry, level: PagingLevel) {
    while true {
      let version = TreeVersion()
      guard let (node, level) = root.walk(to: address, in: version, while: { e, _ in e.isTable })
      else { continue }
      let entry = node[address.index(at: level)]
      if version.isLatest { return (entry.settled, level) }
    }
  }
}
