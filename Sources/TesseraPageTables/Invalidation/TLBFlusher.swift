internal import TesseraFrames
package import TesseraHardware

/// The invalidations that changes to page tables still owe, and what must not be freed before they
/// are paid.
///
/// Less rights, another target, another size: each makes cached translations wrong, and those must
/// be gone before the change counts as done. What was unmapped is held until then, because a
/// processor may still reach it. Ranges that meet are merged; from 33 pages on everything is
/// invalidated, which is cheaper. So is it when a node was freed: invalidating pages does not reach
/// every cached entry of another level (Intel SDM Vol. 3A, "Invalidation of TLBs and
/// Paging-Structure Caches").
package struct TLBFlusher: ~Copyable {
  /// More pages than this, and everything is invalidated.
  package static var pageLimit: Int { 32 }

  /// Whether the pages are the kernel's, which every processor uses and which are global.
  private let isGlobal: Bool
  /// The range that grows, and the one before.
  private var range: OwedRange?
  private var earlierRange: OwedRange?
  private var pageCount = 0
  private var owesEverything = false
  private var held = HeldFrames()

  package init(isGlobal: Bool) { self.isGlobal = isGlobal }

  /// Whether nothing is owed and nothing is held.
  package var isEmpty: Bool {
    range == nil && !owesEverything && held.isEmpty
  }

  /// Owes the invalidation of the page of `size` at `address`.
  @inline(__always)
  package mutating func owe(_ address: UInt64, size: PageSize) {
    if owesEverything { return }
    let shift = size.shift
    if range?.extend(by: address, shift: shift) == true {
      pageCount += 1
    } else if earlierRange == nil {
      earlierRange = range
      range = OwedRange(start: address, pageCount: 1, shift: shift)
      pageCount += 1
    } else {
      owesEverything = true
    }
    if pageCount > Self.pageLimit { owesEverything = true }
  }

  /// Owes the invalidation of everything.
  package mutating func oweEverything() { owesEverything = true }

  /// Keeps what the leaf `entry` of `size` owned until everything is paid. The entry has been taken
  /// out of its node.
  @inline(__always)
  package mutating func hold(_ entry: PageTableEntry, size: PageSize) {
    guard entry.isCounted else { return }
    // SAFETY: the caller took the entry out of its node, so that its count is held once.
    let slot = unsafe Mapping.slot(of: entry, size: size)
    if !held.extend(by: slot) { holdAnother(slot) }
  }

  @inline(never)
  private mutating func holdAnother(_ slot: FrameSlotReference) {
    if held.isFull { payEarly() }
    held.add(slot)
  }

  /// Keeps the detached `node`, with all that hangs below it, until everything is paid.
  package mutating func hold(_ node: PageTableNode) {
    owesEverything = true
    held.add(node)
  }

  /// Carries out what is owed on this processor, where `isActive` says whether the address space is
  /// in use. What is owed stays written down: `release` comes next, and then this is destroyed.
  package borrowing func pay(isActive: Bool) {
    guard isActive || isGlobal, owesEverything || pageCount > 0 else { return }
    if InvalidationSwitch.isOff { return }
    if owesEverything {
      InvalidationStatistics.countFull()
      Processor.invalidateAll(alsoGlobal: isGlobal)
    } else {
      InvalidationStatistics.count(pages: pageCount)
      earlierRange?.invalidate()
      range?.invalidate()
    }
  }

  /// Lets go of what was held, once everything is paid.
  package borrowing func release() { held.release() }

  /// Whether a detached node waits to be freed.
  package var holdsNodes: Bool { held.holdsNodes }

  /// Pays and releases when there is no room to hold more.
  private mutating func payEarly() {
    owesEverything = true
    pay(isActive: true)
    held.release()
    held = HeldFrames()
    range = nil
    earlierRange = nil
    pageCount = 0
    owesEverything = false
  }
}

/// Pages of one size that follow each other.
private struct OwedRange {
  let start: UInt64
  var pageCount: UInt64
  let shift: UInt64

  /// Adds the page at `address` if it is the next one. Says whether it was.
  @inline(__always)
  mutating func extend(by address: UInt64, shift: UInt64) -> Bool {
    guard shift == self.shift && address == start &+ pageCount << shift else { return false }
    pageCount += 1
    return true
  }

  func invalidate() {
    for index in 0..<pageCount { Processor.invalidatePage(at: start &+ index << shift) }
  }
}
