package import TesseraFrames
package import TesseraHardware

// Operations on a range of which no page is mapped. All pieces are checked and the missing nodes
// allocated first; after that, these fail only if another thread has mapped a page of the range, or
// removed a node and taken the last frame. What they have mapped until then is unmapped again, so
// that an error means that nothing was mapped.

extension PiecewiseRange {
  /// Checks that no page of the range is mapped, and allocates the nodes that are missing to fill
  /// it with entries up to level `largest`.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`.
  package func reserveNodes(wholeUpTo largest: PagingLevel) throws(TesseraError) -> NodeReservation
  {
    if isSinglePiece { return NodeReservation() }
    var count = 0
    try forEachPiece { cursor throws(TesseraError) in
      count += try cursor.missingNodeCount(toFill: cursor.byteCountLeft, wholeUpTo: largest)
    }
    var none = NodeReservation()
    return try NodeReservation(count, from: &none)
  }

  /// Maps the frames of `segment`; the mappings then own its references.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`; `segment` is then still there.
  package func map<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty
  ) throws(TesseraError) {
    if isSinglePiece {
      return try forEachPiece { cursor throws(TesseraError) in
        try cursor.map(&segment, as: property)
      }
    }
    guard let address = segment?.address else { panic("no segment to map") }
    // The mappings acquire references of their own, so that the segment stays if one fails.
    var index = 0
    let nodes = try reserveNodes(wholeUpTo: .leafTable)
    do throws(TesseraError) {
      try mapSmallPages(as: property, nodes) {
        defer { index += 1 }
        guard let frame = segment?.borrowFrame(at: index).share() else { panic("no segment") }
        return frame
      }
    } catch {
      unmap(upTo: start.advanced(unchecked: UInt64(index) &<< 12), mappedTo: address)
      throw error
    }
    segment = nil
  }

  /// Maps a frame of 4 KiB that `supply` returns at each page; the mapping then owns its reference.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`. If the range is one piece, `supply` was not called
  /// yet. Otherwise the caller unmaps the pages for which it was.
  package func mapSmallPages<Metadata: UntypedContents & ~Copyable>(
    as property: PageProperty, _ reserved: consuming NodeReservation,
    _ supply: () -> Frame<Metadata>
  ) throws(TesseraError) {
    var nodes = reserved
    let span = UInt64(Self.pageLimit) * PageSize.fourKiB.byteCount
    try forEachPiece(within: span, using: &nodes) { cursor throws(TesseraError) in
      try cursor.map(
        pageCount: Int(cursor.byteCountLeft / PageSize.fourKiB.byteCount), as: property, supply)
    }
  }

  /// Maps device memory from `address`, as `Cursor.mapDevice`.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`.
  @unsafe package func mapDevice(
    _ address: PhysicalAddress, as property: PageProperty
  ) throws(TesseraError) {
    let largest = PagingLevel(largestLeafMapping: start, to: address)
    var nodes = try reserveNodes(wholeUpTo: largest)
    // At most a node full of the largest pages, or of the smallest before and after them.
    let span = largest == .leafTable ? UInt64(Self.pageLimit) &<< 12 : largest.tableSpan
    var position = start
    do throws(TesseraError) {
      try forEachPiece(within: span, using: &nodes) { cursor throws(TesseraError) in
        let distance = cursor.address.distance(from: start)
        // SAFETY: the caller makes the same promise.
        try unsafe cursor.mapDevice(
          PhysicalAddress(unchecked: address.rawValue &+ distance),
          byteCount: cursor.byteCountLeft, as: property)
        position = cursor.address
      }
    } catch {
      unmap(upTo: position, mappedTo: address)
      throw error
    }
  }

  /// Gives the pages, none of which is mapped, the status that `set` sets in the rest of the range
  /// of a cursor, such as `Cursor.setStatus`.
  ///
  /// Throws `alreadyMapped` and `outOfFrames`. Has then changed nothing, unless another thread
  /// mapped a page of the range meanwhile: everything before that page then has the status.
  package func setStatus(
    by set: (inout Cursor, UInt64) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    var nodes = try reserveNodes(wholeUpTo: PagingMode.current.rootLevel)
    try forEachPiece(using: &nodes) { cursor throws(TesseraError) in
      try set(&cursor, cursor.byteCountLeft)
    }
  }

  /// Unmaps the pages before `stop` that are still mapped to the memory from `address`. Pages that
  /// another thread has changed meanwhile are left alone.
  private func unmap(upTo stop: VirtualAddress, mappedTo address: PhysicalAddress) {
    var position = start
    while position < stop {
      let rest = PiecewiseRange(position..<stop, of: root)
      position = rest.unmapFirst(
        mappedTo: PhysicalAddress(unchecked: address.rawValue &+ position.distance(from: start)))
    }
  }

  /// Unmaps the first page, of whatever size, if it is mapped to `address`. Returns its end.
  private func unmapFirst(mappedTo address: PhysicalAddress) -> VirtualAddress {
    let piece = Preemption.disabled {
      let (_, level) = entry(at: start)
      let next = min(end, start.alignedDown(to: level.span).advanced(unchecked: level.span))
      var cursor = Cursor(locking: start..<next, of: root)
      if cursor.isMapped(to: address) { _ = try? cursor.unmap(cursor.byteCountLeft) }
      return FinishedPiece(end: next, unmapped: cursor.close())
    }
    return piece.end
  }

  /// Unmaps the page at `position` if it is still mapped to `address`.
  package func unmapPage(at position: VirtualAddress, mappedTo address: PhysicalAddress) {
    let page = position..<position.advanced(unchecked: PageSize.fourKiB.byteCount)
    _ = PiecewiseRange(page, of: root).unmapFirst(mappedTo: address)
  }
}

extension Cursor {
  /// Whether the page at the position is mapped to `address`.
  fileprivate func isMapped(to address: PhysicalAddress) -> Bool {
    let (entry, level) = entry(at: position)
    guard entry.isLeaf, let size = level.pageSize else { return false }
    return entry.leafAddress(size: size).rawValue &+ position.rawValue % level.span
      == address.rawValue
  }
}
