internal import TesseraHardware
internal import TesseraPageTables

/// A memory object: what pages are pages of.
///
/// Its pages are in the tables of the object space, from `base` on, one entry each: a leaf for a
/// page in memory, otherwise a status that says where it is, or that it is behind the end.
///
/// An object lives as long as there are handles, attachments or short uses of it.
struct ObjectRecord: ~Copyable {
  var references = 1
  /// Constant once it is published.
  var number: UInt32 = 0
  /// How many objects had been made before, as far as 32 bits go. Constant once it is published.
  var serial: UInt32 = 0
  /// How many of the references are handles that are known by name.
  var namedHandleCount = 0
  /// The first address of its pages in the object space. Constant.
  let base: VirtualAddress
  /// The number of pages for which there are addresses. Constant.
  let capacity: UInt64
  /// Where its pages come from and go to; nil if they begin as zeros and go to the swap store.
  /// Constant.
  let store: PageStore?
  /// The length, in bytes.
  var byteCount: UInt64
  /// What of it is attached to spaces.
  var attachments: Record<Attachment>?

  init(base: VirtualAddress, capacity: UInt64, byteCount: UInt64, _ store: PageStore?) {
    self.base = base
    self.capacity = capacity
    self.byteCount = byteCount
    self.store = store
  }

  /// The address of page `index` in the object space.
  func address(of index: UInt64) -> VirtualAddress {
    base.advanced(unchecked: index &* PageSize.fourKiB.byteCount)
  }

  /// The number of pages, the last of which may be used in part.
  var pageCount: UInt64 { Self.pageCount(of: byteCount) }

  /// The number of pages of `byteCount` bytes, of which there are at most 2^47.
  static func pageCount(of byteCount: UInt64) -> UInt64 { (byteCount &+ 4095) / 4096 }
}

extension VirtualAddress {
  /// The address after what the leaf table of this address spans.
  var endOfLeafTable: VirtualAddress {
    let span = PagingLevel.leafTable.tableSpan
    return alignedDown(to: span).advanced(unchecked: span)
  }
}
