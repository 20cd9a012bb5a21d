internal import TesseraFaults
internal import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

/// The pager: memory objects, and pages that are in a store while they are not used, so that
/// programs have more memory than the machine.
///
/// It keeps its records in the heap, and what it knows of a page in the slot of its frame. Spaces
/// that it pages say so; see `VmSpace.startPaging()`.
public enum Pager {
  /// Starts the pager. Call it once the first processor is started, before any space is paged.
  ///
  /// - Precondition: it is not started.
  /// - Throws: `outOfFrames`.
  public static func start() throws(TesseraError) {
    require(!isStarted, "the pager was started twice")
    try MemoryObjects.start()
    SpacePager.set(
      SpacePager(
        addChild: addPagedChild, remove: removePagedSpace, bring: bringPagedPage,
        reclaim: reclaimForFault, keepFree: keepFramesFree, noteMove: noteMovedPages))
    ObjectPages.set(isPageOfObject)
    setMarks(low: FrameTable.frameCount / 128, high: FrameTable.frameCount / 64)
  }

  /// Whether the pager was started.
  public static var isStarted: Bool { SpacePager.current != nil }

  /// Stops the pager, and forgets the swap store. No space is paged, and there is no memory object.
  public static func stop() {
    SpacePager.set(nil)
    ObjectPages.set(nil)
    Swap.stop()
    MemoryObjects.reset()
    RecordNumbers.reset()
    PagerStatistics.reset()
    resetClock()
  }

  /// Forgets everything, without freeing anything, when the machine is another. For tests.
  package static func forget() {
    SpacePager.set(nil)
    ObjectPages.set(nil)
    SwapSlots.remove()
    Swap.forget()
    MemoryObjects.forget()
    RecordNumbers.forget()
    PagerStatistics.reset()
    resetClock()
  }

  /// Brings `page` of the space with `root`, and those around it in a block of `count` that are in
  /// memory already.
  fileprivate static func bring(
    _ page: VirtualAddress, of root: PageTableNode, around count: UInt64
  ) -> PageBringing {
    let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    let status = Preemption.disabled { Cursor(locking: page..<end, of: root).pagedStatus() }
    guard let status else { return .again }
    if let slot = status.swapSlot {
      return Swap.bring(page, of: root, from: slot, status)
    }
    return Attachments.bring(page, of: root, status, around: count)
  }
}

// What the spaces call, by C function pointers. They pass the addresses of their own roots.

private func addPagedChild(_ parent: UInt64, _ child: UInt64) -> Bool {
  // SAFETY: the addresses are those of roots.
  unsafe SpaceFamilies.addChild(node(child), of: node(parent))
}

private func removePagedSpace(_ root: UInt64) {
  // SAFETY: the address is that of a root.
  unsafe SpaceFamilies.remove(node(root))
}

private func bringPagedPage(_ root: UInt64, _ page: UInt64, _ count: UInt64) -> UInt8 {
  // SAFETY: the address is that of a root.
  let root = unsafe node(root)
  return Pager.bring(VirtualAddress(page), of: root, around: count).rawValue
}

private func reclaimForFault() -> UInt8 {
  let result = Pager.reclaim(32)
  let answer: PageReclaiming = result.freed > 0 ? .done : result.isUnderWay ? .busy : .nothing
  return answer.rawValue
}

private func keepFramesFree() { Pager.keepFree() }

private func noteMovedPages(_ root: UInt64, _ from: UInt64, _ to: UInt64, _ byteCount: UInt64) {
  // SAFETY: the address is that of a root.
  let root = unsafe node(root)
  PageReference.rename(
    in: root, from: VirtualAddress(from), to: VirtualAddress(to), byteCount)
}

private func isPageOfObject(_ frameNumber: UInt64) -> Bool {
  PageReference(FrameTable.slot(number: frameNumber))?.owner.isObject ?? false
}

/// The node at the physical address `address`, which is that of a root.
@unsafe private func node(_ address: UInt64) -> PageTableNode {
  unsafe PageTableNode(at: PhysicalAddress(unchecked: address))
}

extension VmSpace {
  /// Has the pager page the space: pages that appear from here on, filled with zeros or as copies,
  /// can be written to the swap store and taken away, and memory objects can be mapped. Children of
  /// forks are paged too. Does nothing if the space is paged already.
  ///
  /// - Precondition: `Pager.start()` was called.
  /// - Throws: `outOfFrames`.
  public borrowing func startPaging() throws(TesseraError) {
    require(Pager.isStarted, "a space cannot be paged before the pager was started")
    guard root.pagerNumber == 0 else { return }
    try SpaceFamilies.make(of: root)
  }

  /// Whether the pager pages the space.
  public var isPaged: Bool { root.pagerNumber != 0 }
}
