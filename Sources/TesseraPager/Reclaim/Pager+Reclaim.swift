internal import Synchronization
internal import TesseraFaults
package import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// What an attempt to free frames has achieved.
public struct ReclaimResult: Equatable, Sendable {
  /// The number of pages whose frames are free now.
  public var freed = 0
  /// The number of pages that are being written, and whose frames are free soon.
  public var beingWritten = 0
  /// The number of pages that another processor works on, or that are being read.
  public var locked = 0
  /// The number of frames that were visited.
  public var examined = 0

  public init() {}

  /// Whether frames may become free by what others do.
  var isUnderWay: Bool { beingWritten > 0 || locked > 0 }
}

/// The number of the frame that the clock visits next. Access: atomic.
private let hand = Atomic<UInt64>(0)

/// The numbers of free frames below which pages are taken away, and up to which. Access: atomic.
private let lowMark = Atomic<UInt64>(0)
private let highMark = Atomic<UInt64>(0)

// How much the kernel has for itself.
extension Pager {
  /// Has pages taken away whenever fewer than `low` frames are free as a page is brought, until
  /// `high` are: so that requests of the kernel itself, for which nothing is taken away, find some.
  ///
  /// At first they are the 128th and the 64th part of all frames. With zeros, pages are taken away
  /// only once no frame is free.
  ///
  /// - Precondition: `low` is not above `high`.
  public static func setMarks(low: UInt64, high: UInt64) {
    require(low <= high, "the low mark of free frames is above the high one")
    // Ordering: relaxed; they may be used a little later.
    lowMark.store(low, ordering: .relaxed)
    highMark.store(high, ordering: .relaxed)
  }

  /// Takes pages away if fewer frames are free than the low mark says, until as many are as the
  /// high one says. A kernel may call it from a thread of its own, so that programs need not wait.
  /// As `reclaim(_:)`.
  @discardableResult
  public static func keepFree() -> ReclaimResult {
    let statistics = FrameAllocator.statistics
    let free = statistics.freeFrameCount + statistics.cachedFrameCount
    // Ordering: relaxed; as for the stores.
    guard free < lowMark.load(ordering: .relaxed) else { return ReclaimResult() }
    let wanted = highMark.load(ordering: .relaxed)
    return reclaim(Int(max(wanted, free) - free))
  }

  /// Takes pages away that were not used for the longest time, until `count` frames are free, or
  /// nothing more can be done. Pages that were written go to their stores first.
  ///
  /// A clock goes over the slots of all frames. It makes each page that it meets a step older, or
  /// younger if a program has used it since it came by last; the oldest go. So a page that was used
  /// after another is not taken away before that, beyond one round of the clock.
  ///
  /// Several processors may reclaim at once. Waits for other processors and for the stores; so not
  /// for interrupt handlers, and not with a cursor open. Turns preemption off for a page at a time.
  ///
  /// - Precondition: `count` is not negative.
  @discardableResult
  public static func reclaim(_ count: Int) -> ReclaimResult {
    // A page may have to become as old as can be, and then to be met once more.
    reclaim(count, visiting: Int(FrameTable.frameCount) * 6)
  }

  /// As `reclaim(_:)`, but visits no more than `limit` frames.
  @discardableResult
  package static func reclaim(_ count: Int, visiting limit: Int) -> ReclaimResult {
    var result = ReclaimResult()
    let frameCount = FrameTable.frameCount
    while result.freed < count, result.examined < limit, result.beingWritten / 4 < count {
      // Ordering: relaxed; each number is taken once, in any order.
      let number = hand.wrappingAdd(1, ordering: .relaxed).oldValue % frameCount
      result.examined += 1
      visit(FrameTable.slot(number: number), &result)
    }
    PagerStatistics.add(.examined, UInt64(result.examined))
    return result
  }

  /// Has the clock begin with the first frame, when nothing is paged: so that what is done after
  /// that can be repeated.
  static func resetClock() {
    // Ordering: relaxed; as for the other.
    hand.store(0, ordering: .relaxed)
  }

  /// Visits the frame of `slot`, and takes its page away if it is old enough.
  package static func visit(_ slot: FrameSlotReference, _ result: inout ReclaimResult) {
    // A hint; what counts is read once there is a reference.
    guard PageReference(slot) != nil, ReferenceCount.isShared(slot.count) else { return }
    do throws(TesseraError) { try slot.acquire() } catch { return }
    // SAFETY: the reference was just acquired. The contents of a page are untyped, and the kind is
    // read again.
    let frame = unsafe PageFrame(adopting: slot)
    guard let page = PageReference(frame.slot) else { return }
    if page.has(.writeback) {
      result.beingWritten += 1
      return
    }
    guard page.tryLock() else {
      result.locked += 1
      return
    }
    defer { page.unlock() }
    let use = page.takeUse()
    guard page.makeOlder(use.wasUsed) == 0, !page.isHeld(mappingCount: use.mappingCount) else {
      return
    }
    switch page.evict() {
    case .freed:
      result.freed += 1
      PagerStatistics.count(.eviction)
    case .beingWritten: result.beingWritten += 1
    case .kept: break
    }
  }
}

extension PageReference {
  /// Clears the accessed bits of all mappings of the page. Returns whether one was set, and the
  /// number of mappings.
  fileprivate func takeUse() -> (wasUsed: Bool, mappingCount: UInt64) {
    var wasUsed = false
    var count: UInt64 = 0
    forEachMapping { cursor in
      if cursor.takeAccessed(slot) { wasUsed = true }
      count += 1
    }
    return (wasUsed, count)
  }

  /// Whether the page, with so many mappings, has owners besides them, its object, its slot of the
  /// swap store and the caller: handles, as for a device, whose holders rely on it.
  fileprivate func isHeld(mappingCount: UInt64) -> Bool {
    var known = mappingCount + 1
    if owner.isObject { known += 1 }
    if let swapSlot, SwapSlots.holds(slot, in: swapSlot) { known += 1 }
    return slot.count > known
  }

  /// Takes the page away, which is locked: out of all spaces, to its store, and out of memory.
  fileprivate func evict() -> PageEviction {
    if owner.isObject { return MemoryObjects.evict(self) }
    guard let slot = Swap.slot(for: self) else { return .kept }
    forEachMapping { cursor in _ = cursor.takeOut(self.slot, leaving: .swap(slot)) }
    guard SwapSlots.referenceCount(of: slot) > 1 else {
      // No entry refers to it: the page is not where its owner would have it.
      SwapSlots.drop(slot)
      return .kept
    }
    return Swap.clean(self, slot)
  }
}
