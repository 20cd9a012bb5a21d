internal import TesseraFaults
internal import TesseraHardware
internal import TesseraPageTables

// The reverse map: who maps a page. Nothing is kept per page; where the page would be is computed
// from its owner and its index, and looked up. A wrong guess costs a look-up, never an error.
extension PageReference {
  /// Calls `body` with a cursor at each page that maps this one, one after another.
  ///
  /// Mappings that are added meanwhile may be missed, and so are those that were moved by
  /// `Cursor.move`, or while another space had the page.
  func forEachMapping(_ body: (inout Cursor) -> Void) {
    if owner.isObject { return MemoryObjects.forEachMapping(of: self, body) }
    guard let family = SpaceFamilies.acquire(owner.number) else { return }
    forEachMapping(in: family, at: VirtualAddress(index << 12), body)
    SpaceFamilies.release(family)
  }

  /// Calls `body` with a cursor at the page at `address` in each space of `family` that maps this
  /// page there. The caller has acquired the family.
  ///
  /// If the visit is `complete`, waits for cursors that have the page: what they take away was
  /// noted, then, in the slot of the frame.
  func forEachMapping(
    in family: Record<SpaceFamily>, at address: VirtualAddress, complete: Bool = false,
    _ body: (inout Cursor) -> Void
  ) {
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    SpaceFamilies.forEachRoot(of: family) { root in
      // Without a lock, because most spaces of a large family do not map most pages.
      guard complete || root.maps(slot, at: address) else { return }
      var cursor = Cursor(locking: address..<end, of: root)
      if cursor.maps(slot) { body(&cursor) }
    }
  }
}
