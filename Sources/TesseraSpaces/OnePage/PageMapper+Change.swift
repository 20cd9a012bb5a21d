public import TesseraHardware
internal import TesseraPageTables

extension PageMapper {
  /// Gives the page that begins at `page` the property `property`, except the accessed and dirty
  /// bits and whether a fork shares it, which stay. Nothing is flushed if that only adds rights.
  ///
  /// A page whose frame a fork has shared becomes writable only as by `Cursor.protect`.
  ///
  /// - Throws: `notMapped`, `notAligned` if `page` is inside a page rather than at its start, and
  ///   `outOfBounds` if the page is not in the mapper's range.
  ///
  /// Panics if the property is for the other half of the address space.
  @_lifetime(borrow self)
  public borrowing func remap(
    _ page: VirtualAddress, as property: PageProperty
  ) throws(TesseraError) -> PageFlush {
    let size = try place.use { cursor throws(TesseraError) in
      let size = try cursor.findPage(at: page)
      _ = try cursor.replaceProperty(size.byteCount, by: property)
      return size
    }
    return PageFlush(of: page, size, place)
  }

  /// Unmaps the page that begins at `page`.
  ///
  /// What was mapped is freed when the mapper has ended, unless it has other owners: not here, for
  /// processors may use it until the flush.
  ///
  /// - Throws: as `remap(_:as:)`.
  @_lifetime(borrow self)
  public borrowing func unmap(_ page: VirtualAddress) throws(TesseraError) -> PageFlush {
    let size = try place.use { cursor throws(TesseraError) in
      let size = try cursor.findPage(at: page)
      try cursor.unmap(size.byteCount)
      return size
    }
    return PageFlush(of: page, size, place)
  }

  /// Returns the physical address that `address`, a byte anywhere in the space, is mapped to and
  /// the property of its page; nil if it is not mapped or cannot be accessed.
  ///
  /// Outside the mapper's range another processor may have changed it by the time this returns.
  public borrowing func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    place.root.translate(address)
  }
}

extension Cursor {
  /// Moves to the mapped page that begins at `page`, all of which is in the range, and returns its
  /// size.
  fileprivate mutating func findPage(at page: VirtualAddress) throws(TesseraError) -> PageSize {
    try jump(to: page)
    let found = try query()
    guard found.content.isMapped else { throw .notMapped(page) }
    guard found.start == page else { throw .notAligned }
    guard byteCountLeft >= found.entryByteCount else { throw .outOfBounds }
    switch found.entryByteCount {
    case PageSize.oneGiB.byteCount: return .oneGiB
    case PageSize.twoMiB.byteCount: return .twoMiB
    default: return .fourKiB
    }
  }
}
