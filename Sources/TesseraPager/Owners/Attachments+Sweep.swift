internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

// An attachment is not told when the last of its pages is unmapped: that would cost something for
// each page. They are looked for once there are twice as many as the last time.
extension Attachments {
  /// Frees the attachments of `family`, which the caller has acquired, that no page of its spaces
  /// has any more, if there are many.
  ///
  /// Waits for those who have page tables locked.
  static func sweep(_ family: Record<SpaceFamily>) {
    let begins = PagerLock.held { () -> Bool in
      guard family.value.attachmentCount >= family.value.sweepCount, !family.value.isSwept else {
        return false
      }
      family.value.isSwept = true
      return true
    }
    guard begins else { return }
    var visited: Record<Attachment>?
    var isNeeded = true
    repeat {
      let next = PagerLock.held { visitNext(of: family, after: visited, isNeeded) }
      end(visited)
      visited = next
      if let next { isNeeded = isUsed(next, by: family) }
    } while visited != nil
    PagerLock.held {
      family.value.sweepCount = max(16, 2 * family.value.attachmentCount)
      family.value.isSwept = false
    }
  }

  /// Begins to use the attachment of `family` after `visited`, which leaves it unless it is needed.
  /// Attachments that are used stay, and are left out: their pages may be about to appear. The lock
  /// is held.
  private static func visitNext(
    of family: Record<SpaceFamily>, after visited: Record<Attachment>?, _ isNeeded: Bool
  ) -> Record<Attachment>? {
    var next = visited == nil ? family.value.attachments : visited?.value.nextOfFamily
    if let visited, !isNeeded { visited.leaveFamily() }
    while let other = next, other.value.users > 0 { next = other.value.nextOfFamily }
    next?.beginUse()
    return next
  }

  /// Whether a page of a space of `family` has `attachment`, or did when it was visited.
  ///
  /// If not, none will: a page gets it from the one that a fork copies, and parents are visited
  /// before children; or it has a page of the object until that is taken away.
  private static func isUsed(
    _ attachment: Record<Attachment>, by family: Record<SpaceFamily>
  ) -> Bool {
    let end = attachment.value.start.advanced(unchecked: attachment.value.pageCount * 4096)
    var page = attachment.value.start
    var isUsed = false
    while page < end, !isUsed {
      var next = end
      SpaceFamilies.forEachRoot(of: family) { root in
        if !isUsed { next = min(next, root.search(from: page, to: end, for: attachment, &isUsed)) }
      }
      page = next
    }
    return isUsed
  }
}

extension PageTableNode {
  /// Searches the pages from `start`, up to `end` or for as long as preemption may be off, for one
  /// that has `attachment`. Returns how far it has searched.
  fileprivate func search(
    from start: VirtualAddress, to end: VirtualAddress, for attachment: Record<Attachment>,
    _ isFound: inout Bool
  ) -> VirtualAddress {
    let owner = PageOwner(object: attachment.value.object.value.number)
    let number = attachment.value.number
    var page = start
    var count = 0
    while page < end, count < 128, !isFound {
      let (entry, level) = settledEntry(at: page)
      isFound =
        entry.isLeaf
        ? hasPage(of: owner, orStatus: number, at: page) : entry.objectNumber == number
      page = page.alignedDown(to: level.span).advanced(unchecked: level.span)
      count += 1
    }
    return page
  }

  /// Whether `page` of the space with this root is mapped to a page of `owner`, or has the status
  /// of an object with `number`. Preemption is off.
  fileprivate func hasPage(
    of owner: PageOwner, orStatus number: UInt32, at page: VirtualAddress
  ) -> Bool {
    let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    let cursor = Cursor(locking: page..<end, of: self)
    let (entry, _) = cursor.entry(at: page)
    guard entry.isLeaf else { return entry.objectNumber == number }
    guard let slot = cursor.mappedSlot else { return false }
    return PageReference(slot)?.owner == owner
  }
}
