internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// One page of an object.
extension MemoryObjects {
  /// Where a page of an object is.
  private enum Whereabouts {
    case memory
    /// In swap; the finder has a reference of the slot.
    case swap(UInt32, PageTableEntry)
    /// In the store, or zeros.
    case store(PageTableEntry)
    case beyondEnd
  }

  /// Has page `index` of `object` in memory, and a reference of its frame in `frame`, which was
  /// nil. The answer is `done` if it is there and up to date.
  static func obtain(
    _ index: UInt64, of object: Record<ObjectRecord>, _ frame: inout PageFrame?
  ) -> PageBringing {
    let address = object.value.address(of: index)
    let owner = PageOwner(object: object.value.number)
    guard index < object.value.capacity else { return .denied }
    switch find(address, &frame) {
    case .memory: return check(address, &frame)
    case .beyondEnd: return .denied
    case .swap(let slot, let status):
      defer { SwapSlots.drop(slot) }
      let answer = Swap.obtain(slot, owner, index, &frame)
      guard answer == .done else { return answer }
      return put(&frame, at: address, replacing: status)
    case .store(let status):
      return fill(index, of: object, owner, at: address, &frame, replacing: status)
    }
  }

  private static func find(
    _ address: VirtualAddress, _ frame: inout PageFrame?
  ) -> Whereabouts {
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    let state = Preemption.disabled { () -> Whereabouts in
      let cursor = Cursor(locking: address..<end, of: root)
      frame = cursor.sharedFrame()
      guard frame == nil else { return .memory }
      guard let status = cursor.pagedStatus(), status.objectNumber != 0 else { return .beyondEnd }
      guard let slot = status.swapSlot else { return .store(status) }
      return .swap(slot, status)
    }
    PagerStatistics.count(frame == nil ? .miss : .hit)
    return state
  }

  /// Whether the page in `frame`, found at `address`, can be used.
  private static func check(
    _ address: VirtualAddress, _ frame: inout PageFrame?
  ) -> PageBringing {
    guard let slot = frame?.slot, let page = PageReference(slot) else { return .denied }
    switch page.readiness {
    case .usable: return .done
    case .beingRead: return .busy
    case .unreadable: return forget(page, at: address)
    }
  }

  private static func forget(_ page: PageReference, at address: VirtualAddress) -> PageBringing {
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    Preemption.disabled {
      var cursor = Cursor(locking: address..<end, of: root)
      _ = cursor.takeOutUnused(page.slot, ownerCount: 2, leaving: .object(page.owner.number))
    }
    return .failed
  }

  /// Makes `frame` the page at `address`, which has `status`. It stays, too.
  private static func put(
    _ frame: inout PageFrame?, at address: VirtualAddress, replacing status: PageTableEntry
  ) -> PageBringing {
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    var mapped = frame?.share()
    do throws(TesseraError) {
      let isPut = try Preemption.disabled { () throws(TesseraError) in
        var cursor = try Cursor(over: address..<end, of: root, .added)
        return try cursor.bringIn(&mapped, replacing: status)
      }
      return isPut ? .done : .again
    } catch { return .outOfFrames }
  }

  /// Adds a frame for page `index` of `object`, and fills it.
  private static func fill(
    _ index: UInt64, of object: Record<ObjectRecord>, _ owner: PageOwner,
    at address: VirtualAddress, _ frame: inout PageFrame?, replacing status: PageTableEntry
  ) -> PageBringing {
    let store = object.value.store
    SpacePager.prepareAllocation()
    do throws(TesseraError) {
      let flags: PageFlags = store == nil ? .upToDate.union(.swapBacked) : .locked
      frame = PageFrame(
        try PageMetadata.makeFrame(
          of: owner, index: index, flags: flags, FrameRequest(isZeroed: store == nil)))
    } catch { return .outOfFrames }
    // Before it is read: another fault waits for this, and reads nothing old.
    let answer = put(&frame, at: address, replacing: status)
    guard answer == .done, let store, let slot = frame?.slot, let page = PageReference(slot) else {
      return answer
    }
    switch store.read(page, from: index * 4096) {
    case .done: return .done
    case .later: return .busy
    case .failed: return forget(page, at: address)
    }
  }
}

// Taking a page away.
extension MemoryObjects {
  /// Fills what lies behind the end of the object in `page`, which was just read and not mapped for
  /// anybody, with zeros. Takes a lock for some instructions.
  static func clearBehindEnd(_ page: PageReference) {
    guard page.owner.isObject else { return }
    let byteCount = PagerLock.held { () -> UInt64? in Self.byteCount(of: page.owner.number) }
    guard let byteCount, byteCount / 4096 == page.index else { return }
    // Otherwise the store would bring it back, if the object became longer.
    if page.clear(from: byteCount % 4096) { page.add(.dirty) }
  }

  /// Takes `page` away, which is locked: out of all spaces, to its store, and out of memory.
  static func evict(_ page: PageReference) -> PageEviction {
    guard let object = acquire(page.owner.number) else { return .kept }
    defer { release(object) }
    // Numbers are used again: a handle to a page of an object that is gone, or of one that became
    // shorter, has nothing for its store.
    guard object.value.store == nil || isPage(page, of: object) else { return .kept }
    forEachMapping(of: page, in: object) { cursor, attachment in
      _ = cursor.takeOut(page.slot, leaving: .object(attachment))
    }
    guard let store = object.value.store else { return evictToSwap(page, of: object) }
    if page.has(.writeback) { return .beingWritten }
    if page.takeDirty() {
      switch store.write(page, to: page.index * 4096) {
      case .done: break
      case .later: return .beingWritten
      case .failed: return .kept
      }
    }
    return take(page, of: object, ownerCount: 2, leaving: .object(page.owner.number))
      ? .freed : .kept
  }

  /// Whether `page` is the one that `object` has at its index.
  private static func isPage(_ page: PageReference, of object: Record<ObjectRecord>) -> Bool {
    guard page.index < object.value.capacity else { return false }
    let address = object.value.address(of: page.index)
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    return Preemption.disabled { Cursor(locking: address..<end, of: root).maps(page.slot) }
  }

  private static func evictToSwap(
    _ page: PageReference, of object: Record<ObjectRecord>
  ) -> PageEviction {
    guard let slot = Swap.slot(for: page) else { return .kept }
    // What was written since it was in swap is written again.
    if page.takeDirty() { page.add(.dirty) }
    if take(page, of: object, ownerCount: 3, leaving: .swap(slot)) {
      return Swap.clean(page, slot)
    }
    // Was it taken out before, and has been written since?
    if SwapSlots.referenceCount(of: slot) > 1, !isPage(page, of: object) {
      return Swap.clean(page, slot)
    }
    SwapSlots.drop(slot)
    return .kept
  }

  private static func take(
    _ page: PageReference, of object: Record<ObjectRecord>, ownerCount: UInt64,
    leaving place: PagePlace
  ) -> Bool {
    let address = object.value.address(of: page.index)
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    return Preemption.disabled {
      var cursor = Cursor(locking: address..<end, of: root)
      // No other fault gets the page from here on. Who had it before may have written it since the
      // store did; a page that goes to swap is written afterwards.
      if case .object = place, page.slot.hasOwners(ownerCount), page.has(.dirty) { return false }
      return cursor.takeOutUnused(page.slot, ownerCount: ownerCount, leaving: place)
    }
  }
}

// Who maps a page.
extension MemoryObjects {
  static func forEachMapping(of page: PageReference, _ body: (inout Cursor) -> Void) {
    guard let object = acquire(page.owner.number) else { return }
    forEachMapping(of: page, in: object) { cursor, _ in body(&cursor) }
    release(object)
  }

  /// Calls `body` with a cursor at each page that maps `page` of `object`, and the number of the
  /// attachment by which it does. `complete` as for the visit of a family.
  static func forEachMapping(
    of page: PageReference, in object: Record<ObjectRecord>, complete: Bool = false,
    _ body: (inout Cursor, _ attachment: UInt32) -> Void
  ) {
    Attachments.forEach(of: object, with: page.index) { family, address, number in
      page.forEachMapping(in: family, at: address, complete: complete) { body(&$0, number) }
    }
  }
}
