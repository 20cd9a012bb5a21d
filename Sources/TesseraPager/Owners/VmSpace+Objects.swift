public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

extension VmSpace {
  /// Maps pages of `object` in `range`, from page `index` on: none of them now, each when it is
  /// used. Where the range reaches beyond the end of the object, uses are denied until it grows.
  ///
  /// If `property.isShared`, all that map the object see what is written, and it is written to the
  /// object's store. Otherwise a page is copied before this space writes it, and the copy is the
  /// space's own. Children of forks map what this space does, in the same way.
  ///
  /// Unmapping is `Cursor.unmap`; rights are changed by `Cursor.protect`.
  ///
  /// - Throws: `empty`, `notAligned`, `outOfBounds`; `alreadyMapped` if a page of the range is
  ///   mapped or has a status; and `outOfFrames`.
  /// - Precondition: The space is paged (`startPaging()`), and `property` is that of a user page.
  public borrowing func map(
    _ object: borrowing MemoryObject, from index: UInt64 = 0, at range: Range<VirtualAddress>,
    as property: PageProperty
  ) throws(TesseraError) {
    guard let family = SpaceFamilies.acquire(UInt32(truncatingIfNeeded: root.pagerNumber)) else {
      panic("a memory object was mapped in a space that is not paged")
    }
    defer { SpaceFamilies.release(family) }
    guard !range.isEmpty else { throw .empty }
    guard range.lowerBound.isAligned(to: .fourKiB), range.upperBound.isAligned(to: .fourKiB)
    else { throw .notAligned }
    guard range.lowerBound >= Self.start, range.upperBound <= Self.end, index < 1 << 35 else {
      throw .outOfBounds
    }
    let byteCount = range.upperBound.byteCount(from: range.lowerBound)
    Attachments.sweep(family)
    let attachment = try Attachments.add(
      object.record, from: index, pageCount: byteCount / PageSize.fourKiB.byteCount,
      at: range.lowerBound, of: family)
    defer { Attachments.end(attachment) }
    do throws(TesseraError) {
      try withCursor(over: range) { cursor throws(TesseraError) in
        try cursor.claim(byteCount, with: .object(attachment.value.number, property))
      }
    } catch {
      // Nothing was mapped.
      Attachments.remove(attachment)
      throw error
    }
  }
}
