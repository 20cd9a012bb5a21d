internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// All attachments of memory objects to spaces.
enum Attachments {
  /// Attaches the pages of `object` from `firstIndex` to the addresses from `start` of the spaces
  /// of `family`, which its caller has acquired. Returns the attachment, in use: `end` ends that,
  /// once pages have its number.
  ///
  /// - Throws: `outOfFrames`.
  static func add(
    _ object: Record<ObjectRecord>, from firstIndex: UInt64, pageCount: UInt64,
    at start: VirtualAddress, of family: Record<SpaceFamily>
  ) throws(TesseraError) -> Record<Attachment> {
    let attachment = try Record(
      Attachment(
        object: object, family: family, start: start, pageCount: pageCount,
        firstIndex: firstIndex))
    do throws(TesseraError) {
      try RecordNumbers.attachments.take(for: attachment.address) {
        attachment.value.number = $0
        object.value.references += 1
        attachment.value.nextOfObject = object.value.attachments
        object.value.attachments = attachment
        attachment.value.nextOfFamily = family.value.attachments
        family.value.attachments = attachment
        family.value.attachmentCount += 1
        attachment.beginUse()
      }
      return attachment
    } catch {
      attachment.free()
      throw error
    }
  }

  /// Frees all attachments of `family`, which has no space any more. So none of them is used.
  static func removeAll(of family: Record<SpaceFamily>) {
    while let attachment = family.value.attachments {
      let isUnlinked = PagerLock.held {
        attachment.leaveFamily()
        return attachment.unlinkIfUnused()
      }
      require(isUnlinked, "an attachment is used without its family")
      free(attachment)
    }
  }

  /// Frees `attachment`, which the caller uses and no entry has, once it is not used any more.
  static func remove(_ attachment: Record<Attachment>) {
    PagerLock.held { attachment.leaveFamily() }
  }

  /// Frees `attachment`, which was unlinked.
  private static func free(_ attachment: Record<Attachment>) {
    MemoryObjects.release(attachment.value.object)
    attachment.free()
  }

  /// Calls `body` with each family that page `index` of `object` may be mapped in, at which address
  /// and by which attachment. The family is acquired meanwhile.
  static func forEach(
    of object: Record<ObjectRecord>, with index: UInt64,
    _ body: (Record<SpaceFamily>, VirtualAddress, _ number: UInt32) -> Void
  ) {
    var visited: Record<Attachment>?
    while true {
      let next = PagerLock.held { () -> Record<Attachment>? in
        var next = visited == nil ? object.value.attachments : visited?.value.nextOfObject
        while let other = next, !other.canBeUsed || other.address(of: index) == nil {
          next = other.value.nextOfObject
        }
        next?.beginUse()
        return next
      }
      end(visited)
      visited = next
      guard let next, let address = next.address(of: index) else { return }
      body(next.value.family, address, next.value.number)
    }
  }

  /// Ends a use.
  static func end(_ visited: Record<Attachment>?) {
    guard let visited else { return }
    let family = visited.value.family
    let isUnlinked = PagerLock.held {
      visited.value.users -= 1
      return visited.unlinkIfUnused()
    }
    if isUnlinked { free(visited) }
    SpaceFamilies.release(family)
  }
}

// A fault on a page of an object.
extension Attachments {
  /// Brings `page` of the space with `root`, which has `status`, and those of the block of `count`
  /// pages around it that have the same status and are in memory.
  static func bring(
    _ page: VirtualAddress, of root: PageTableNode, _ status: PageTableEntry, around count: UInt64
  ) -> PageBringing {
    guard let number = status.objectNumber, let attachment = acquire(number) else {
      return .again
    }
    defer { end(attachment) }
    let object = attachment.value.object
    let index = attachment.index(of: page)
    var frame: PageFrame?
    let answer = MemoryObjects.obtain(index, of: object, &frame)
    guard answer == .done else { return answer }
    let block = attachment.block(of: count, around: page)
    let source = object.value.address(of: index)
    let first = object.value.address(of: attachment.index(of: block.lowerBound))
    let byteCount = block.upperBound.byteCount(from: block.lowerBound)
    let end = first.advanced(unchecked: byteCount)
    do throws(TesseraError) {
      let isMapped = try Preemption.disabled { () throws(TesseraError) in
        var cursor = try Cursor(over: block, of: root, .added)
        // Within the first: the page is the object's until it is mapped, and who takes it out of
        // the object finds the mapping.
        var pages = Cursor(locking: first..<end, of: MemoryObjects.root)
        try cursor.jump(to: page)
        try pages.jump(to: source)
        guard try cursor.bringIn(&frame, from: pages, replacing: status) else { return false }
        if byteCount > PageSize.fourKiB.byteCount {
          cursor.bringInOthers(from: pages, replacing: status) { slot in
            PageReference(slot)?.has(.upToDate) ?? false
          }
        }
        return true
      }
      return isMapped ? .done : .again
    } catch { return .outOfFrames }
  }

  private static func acquire(_ number: UInt32) -> Record<Attachment>? {
    PagerLock.held {
      // SAFETY: the numbers of attachments are of records of attachments.
      let found: Record<Attachment>? = unsafe Record(
        at: RecordNumbers.attachments.address(of: number))
      guard let attachment = found, attachment.canBeUsed else { return nil }
      attachment.beginUse()
      return attachment
    }
  }
}

// Used under `PagerLock`.
extension Record<Attachment> {
  /// Whether it and its family are there for a new use.
  fileprivate var canBeUsed: Bool {
    !value.isRemoved && value.family.value.references > 0
  }

  /// Begins a use, for which the family stays too. `Attachments.end` ends it.
  func beginUse() {
    value.users += 1
    let family = value.family
    family.value.references += 1
  }

  /// Takes the attachment, which is used, out of the list of its family. The last use frees it.
  func leaveFamily() {
    let family = value.family
    var previous: Record<Attachment>?
    var next = family.value.attachments
    while let other = next, other != self {
      previous = other
      next = other.value.nextOfFamily
    }
    if let previous {
      previous.value.nextOfFamily = value.nextOfFamily
    } else {
      family.value.attachments = value.nextOfFamily
    }
    family.value.attachmentCount -= 1
    value.isRemoved = true
  }

  /// Takes the attachment out of the list of its object, and frees its number, if it was removed
  /// and is not used. Returns whether that was so.
  fileprivate func unlinkIfUnused() -> Bool {
    guard value.isRemoved, value.users == 0 else { return false }
    let object = value.object
    var previous: Record<Attachment>?
    var next = object.value.attachments
    while let other = next, other != self {
      previous = other
      next = other.value.nextOfObject
    }
    if let previous {
      previous.value.nextOfObject = value.nextOfObject
    } else {
      object.value.attachments = value.nextOfObject
    }
    RecordNumbers.attachments.free(value.number)
    return true
  }
}
