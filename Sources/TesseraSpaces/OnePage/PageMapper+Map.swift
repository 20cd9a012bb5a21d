public import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables

extension PageMapper {
  /// Maps a new frame of `size`, filled with zeros, at `page`. The mapping owns the frame.
  ///
  /// The page has `size` or is not mapped, whatever tables are there: empty ones are removed. If
  /// the page was unmapped before and not flushed yet, it is flushed first.
  /// Filling 1 GiB takes long, with preemption off; a frame that was allocated before is given to
  /// `map(_:at:as:)`.
  ///
  /// - Throws: `notAligned` if `page` is not a multiple of `size`, `outOfBounds` if the page is not
  ///   in the mapper's range, `alreadyMapped`, and `outOfFrames`.
  ///
  /// Panics if the processor has no pages of `size`, or the property is for the other half of the
  /// address space.
  @_lifetime(borrow self)
  public borrowing func map(
    _ page: VirtualAddress, of size: PageSize = .fourKiB, as property: PageProperty
  ) throws(TesseraError) -> PageFlush {
    try checkVacant(page, size)
    var frame: Frame<PlainMemory>? = try Frame(
      allocating: PlainMemory(), FrameRequest(size: size))
    return try map(&frame, at: page, as: property)
  }

  /// Maps `frame`, of whatever size, at `page`; the mapping then owns the reference.
  ///
  /// Throws and panics as `map(_:of:as:)`; after an error `frame` is still there.
  @_lifetime(borrow self)
  public borrowing func map<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, at page: VirtualAddress, as property: PageProperty
  ) throws(TesseraError) -> PageFlush {
    guard let size = frame?.size else { panic("page mapper was given no frame to map") }
    try place.use { cursor throws(TesseraError) in
      try cursor.move(to: page, size)
      try cursor.mapWhole(&frame, as: property)
    }
    return PageFlush(of: page, size, place)
  }

  /// Maps the `size` bytes of device memory, or of other memory that has no owner, at `address` to
  /// `page`.
  ///
  /// The caller keeps the memory for as long as it is mapped. Throws and panics as `map(_:of:as:)`,
  /// `notAligned` also if `address` is not a multiple of `size`; panics if it lies beyond what the
  /// processor can address.
  @_lifetime(borrow self)
  @unsafe public borrowing func mapDevice(
    _ address: PhysicalAddress, at page: VirtualAddress, of size: PageSize = .fourKiB,
    as property: PageProperty
  ) throws(TesseraError) -> PageFlush {
    guard address.isAligned(to: size) else { throw .notAligned }
    try place.use { cursor throws(TesseraError) in
      try cursor.move(to: page, size)
      // SAFETY: the caller keeps the memory.
      try unsafe cursor.mapDevice(address, asWhole: size, as: property)
    }
    return PageFlush(of: page, size, place)
  }

  /// Checks that a page of `size` can be mapped at `page`. Changes nothing.
  private borrowing func checkVacant(
    _ page: VirtualAddress, _ size: PageSize
  ) throws(TesseraError) {
    require(PagingMode.current.hasPages(of: size), "the processor has no pages of 1 GiB")
    try place.use { cursor throws(TesseraError) in
      try cursor.move(to: page, size)
      _ = try cursor.missingNodeCount(
        toFill: size.byteCount, wholeUpTo: PagingLevel(leafOf: size))
    }
  }
}

extension Cursor {
  /// Moves to `page`, where a page of `size` fits into the range.
  fileprivate mutating func move(
    to page: VirtualAddress, _ size: PageSize
  ) throws(TesseraError) {
    guard page.isAligned(to: size) else { throw .notAligned }
    try jump(to: page)
    guard byteCountLeft >= size.byteCount else { throw .outOfBounds }
  }
}
