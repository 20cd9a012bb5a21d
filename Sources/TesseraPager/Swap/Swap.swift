internal import Synchronization
internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The swap store: where anonymous pages are while they are not in memory.
///
/// A page that is taken out of its spaces is kept as the frame of its slot until it is written, so
/// that a fault in between finds it; and from when the first space reads it again until the last
/// one has, if several do.
enum Swap {
  /// Whether the store can be used. Access: atomic.
  private static let state = Atomic<Bool>(false)
  /// The store.
  ///
  /// Access: written by `start` before it can be used, and by `stop` while nothing is swapped;
  /// constant otherwise.
  nonisolated(unsafe) private static var store: PageStore?
  /// The words of the slots. Access: as above.
  nonisolated(unsafe) private static var words: Segment<RecordFrame>?

  /// Uses `store` for `slotCount` pages.
  static func start(_ store: PageStore, slotCount: UInt32) throws(TesseraError) {
    require(!isStarted, "there is a swap store already")
    require(
      slotCount > 0 && slotCount < 1 << 31,
      "a swap store has no pages, or more than can be numbered")
    let byteCount = UInt64(slotCount) * 8
    let frameCount = Int((byteCount + 4095) / 4096)
    let segment = try Segment(allocating: frameCount) { _ in RecordFrame() }
    // SAFETY: the segment is filled with zeros, and stays until `stop`.
    unsafe SwapSlots.install(
      UInt(bitPattern: PhysicalMemory.pointer(to: segment.address)), count: slotCount)
    // SAFETY: nothing is swapped.
    unsafe words = consume segment
    unsafe self.store = store
    // Ordering: releasing, pairs with `isStarted`: who may use the store finds it.
    state.store(true, ordering: .releasing)
  }

  static func stop() {
    // Ordering: relaxed; nothing else runs.
    state.store(false, ordering: .relaxed)
    SwapSlots.remove()
    // SAFETY: nothing is swapped.
    unsafe words = nil
    unsafe store = nil
  }

  /// As `stop`, when the machine is another.
  static func forget() {
    // Ordering: relaxed; nothing else runs.
    state.store(false, ordering: .relaxed)
    // SAFETY: nothing uses it any more.
    unsafe store = nil
    if let words = unsafe words.take() { _ = words.relinquishFirst() }
  }

  private static var started: PageStore {
    // SAFETY: constant while anything is swapped.
    guard let store = unsafe store else { panic("a page is in swap, and there is no swap store") }
    return store
  }

  static var isStarted: Bool {
    // Ordering: acquiring, pairs with `start`.
    state.load(ordering: .acquiring)
  }

  private static func offset(of slot: UInt32) -> UInt64 { UInt64(slot) * 4096 }
}

// From the store.
extension Swap {
  /// Brings `page` of the space with `root` from `slot`, of which the caller gives up a reference,
  /// if the page still has `status`.
  static func bring(
    _ page: VirtualAddress, of root: PageTableNode, from slot: UInt32, _ status: PageTableEntry
  ) -> PageBringing {
    defer { SwapSlots.drop(slot) }
    let owner = PageOwner(family: UInt32(truncatingIfNeeded: root.pagerNumber))
    var frame: PageFrame?
    let answer = obtain(slot, owner, page.rawValue >> 12, &frame)
    guard answer == .done else { return answer }
    let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    do throws(TesseraError) {
      let isMapped = try Preemption.disabled { () throws(TesseraError) in
        var cursor = try Cursor(over: page..<end, of: root, .added)
        return try cursor.bringIn(&frame, replacing: status)
      }
      return isMapped ? .done : .again
    } catch { return .outOfFrames }
  }

  /// Has the contents of `slot`, which the caller keeps, in `frame`: page `index` of `owner`. The
  /// answer is `done` if they are there.
  static func obtain(
    _ slot: UInt32, _ owner: PageOwner, _ index: UInt64, _ frame: inout PageFrame?
  ) -> PageBringing {
    frame = SwapSlots.frame(of: slot)
    if let found = frame?.slot, let page = PageReference(found) {
      switch page.readiness {
      case .usable: return .done
      case .beingRead: return .busy
      case .unreadable:
        _ = SwapSlots.forget(found, in: slot)
        return .failed
      }
    }
    SpacePager.prepareAllocation()
    do throws(TesseraError) {
      let flags: PageFlags = .locked.union(.swapBacked).union(.workingSet)
      frame = PageFrame(
        try PageMetadata.makeFrame(of: owner, index: index, flags: flags, .uninitialized))
    } catch { return .outOfFrames }
    guard let made = frame?.slot, let page = PageReference(made) else { return .again }
    page.swapSlot = slot
    guard SwapSlots.keep(made, in: slot) else { return .again }
    switch started.read(page, from: offset(of: slot)) {
    case .done: return .done
    case .later: return .busy
    case .failed:
      _ = SwapSlots.forget(made, in: slot)
      return .failed
    }
  }
}

// To the store.
extension Swap {
  /// Has `page`, of which the caller has a reference, be the frame of a slot, of which the caller
  /// then has a reference too. Nil if no slot is free.
  static func slot(for page: PageReference) -> UInt32? {
    guard isStarted else { return nil }
    if let slot = page.swapSlot, SwapSlots.share(slot, holding: page.slot) { return slot }
    guard let slot = SwapSlots.allocate(for: page.slot) else { return nil }
    page.swapSlot = slot
    page.add(.dirty.union(.swapBacked))
    return slot
  }

  /// Writes `page`, which is locked and the frame of `slot`, if it has to be, and releases it as
  /// such if it has no other owner. Gives up the caller's reference of the slot.
  static func clean(_ page: PageReference, _ slot: UInt32) -> PageEviction {
    defer { SwapSlots.drop(slot) }
    if page.has(.writeback) { return .beingWritten }
    if page.has(.dirty) {
      // The transfer has a reference of the slot: nothing else is written there before it is done.
      SwapSlots.share(slot)
      page.add(.reclaim)
      switch started.write(page, to: offset(of: slot)) {
      case .done: break
      case .later: return .beingWritten
      case .failed: return .kept
      }
    }
    // Its owners are the slot and the caller. Who finds it through the slot before that forgets it
    // has a page with the right contents.
    guard page.slot.hasOwners(2), SwapSlots.forget(page.slot, in: slot) else { return .kept }
    page.swapSlot = nil
    return page.slot.hasOwners(1) ? .freed : .kept
  }
}
