internal import TesseraHardware
internal import TesseraPageTables

/// Pages of a memory object that were mapped at some addresses of the spaces of a family. A fork
/// keeps addresses, so it needs none of its own.
///
/// The statuses of the pages have its number. It may be there longer than they are: then it is a
/// wrong guess. Who acquires it keeps its object and its family in being.
struct Attachment: ~Copyable {
  /// Those who use it at this moment. Nothing waits for them: the last of them frees the record of
  /// an attachment that was removed.
  var users = 0
  /// Constant once it is published.
  var number: UInt32 = 0
  /// Constant; the attachment has a reference of it.
  let object: Record<ObjectRecord>
  /// Constant; the family frees the attachment before it goes.
  let family: Record<SpaceFamily>
  /// The first address. Constant, as all that follows but the links.
  let start: VirtualAddress
  let pageCount: UInt64
  /// The page of the object at the first address.
  let firstIndex: UInt64
  /// Its family has it no more.
  var isRemoved = false
  /// The next of the object, and of the family.
  var nextOfObject: Record<Attachment>?
  var nextOfFamily: Record<Attachment>?
}

// Where its pages are: what is constant, so that no lock is needed. Field by field, because the
// whole is not.
extension Record<Attachment> {
  /// The index of the page at `address`, which is among the addresses.
  func index(of address: VirtualAddress) -> UInt64 {
    value.firstIndex + address.byteCount(from: value.start) / PageSize.fourKiB.byteCount
  }

  /// The pages around `page`, which is among the addresses, in the aligned block of `count` pages,
  /// a power of two up to 512: as far as they are pages that the object has room for, and are in
  /// the same leaf table of the object space as that of `page`.
  func block(of count: UInt64, around page: VirtualAddress) -> Range<VirtualAddress> {
    let (start, object) = (value.start, value.object)
    let source = object.value.address(of: index(of: page))
    let sourceEnd = min(object.value.address(of: object.value.capacity), source.endOfLeafTable)
    let blockSize = count * PageSize.fourKiB.byteCount
    let block = page.alignedDown(to: blockSize)
    let first = max(start, block)
    let end = min(
      start.advanced(unchecked: value.pageCount * PageSize.fourKiB.byteCount),
      block.advanced(unchecked: blockSize))
    // No page before the first of the mapping, so none before the object.
    let before = min(page.byteCount(from: first), source.offset(in: .twoMiB))
    let after = min(end.byteCount(from: page), sourceEnd.byteCount(from: source))
    return VirtualAddress(page.rawValue - before)..<page.advanced(unchecked: after)
  }

  /// The address of page `index` of the object, if it is among the pages.
  func address(of index: UInt64) -> VirtualAddress? {
    let firstIndex = value.firstIndex
    guard index >= firstIndex, index - firstIndex < value.pageCount else { return nil }
    return value.start.advanced(unchecked: (index - firstIndex) * PageSize.fourKiB.byteCount)
  }
}
