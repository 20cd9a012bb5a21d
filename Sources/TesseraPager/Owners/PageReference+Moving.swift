internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

extension PageReference {
  /// Has the anonymous pages that were in `byteCount` bytes from `start` of the space with `root`,
  /// and have moved to `target`, be found there. Those that other spaces map too, at the old
  /// addresses, or that are used at this moment, are not: they stay in memory until they are freed.
  static func rename(
    in root: PageTableNode, from start: VirtualAddress, to target: VirtualAddress,
    _ byteCount: UInt64
  ) {
    let owner = PageOwner(family: UInt32(truncatingIfNeeded: root.pagerNumber))
    let end = target.advanced(unchecked: byteCount)
    let shift = (target.rawValue &- start.rawValue) >> 12
    var next = target
    while next < end {
      // No more at a time than preemption may be off for.
      let limit = min(end, next.advanced(unchecked: 128 * PageSize.fourKiB.byteCount))
      Preemption.disabled {
        var cursor = Cursor(locking: next..<limit, of: root)
        while cursor.findNext(within: limit.byteCount(from: cursor.address)) {
          let (place, span) = (cursor.address, cursor.entry(at: cursor.address).level.span)
          if let slot = cursor.mappedSlot, let page = PageReference(slot) {
            page.rename(owner, by: shift, at: place)
          }
          let after = place.alignedDown(to: span).advanced(unchecked: span)
          guard after < limit, (try? cursor.jump(to: after)) != nil else { break }
        }
      }
      next = limit
    }
  }

  /// Has the page be found at `address`, to which it has moved by `shift` pages, if it is one of
  /// `owner`'s that nothing else maps. The cursor is over it.
  private func rename(_ owner: PageOwner, by shift: UInt64, at address: VirtualAddress) {
    let number = address.rawValue >> 12
    guard self.owner == owner, (index &+ shift) << 12 == number << 12, slot.hasOwners(1) else {
      return
    }
    index = number
  }
}
