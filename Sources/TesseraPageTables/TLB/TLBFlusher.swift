internal import TesseraFrames
package import TesseraHardware

/// The invalidations that changes to page tables still enqueue, and what must not be freed before they
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
  package let isGlobal: Bool
  /// The range that grows, and the one before.
  private var range = PendingRange.none
  private var earlierRange = PendingRange.none
  private var held = DeferredFrames()

  @inline(__always)
  package init(isGlobal: Bool) { self.isGlobal = isGlobal }

  /// Whether nothing is owed and nothing is held.
  @inline(__always)
  package var isEmpty: Bool { range.isEmpty && held.isEmpty }

  @inline(__always)
  var owesEverything: Bool { range.isEverything }

  /// How many pages are owed one by one.
  private var pageCount: Int { range.pageCount + earlierRange.pageCount }

  /// Owes the invalidation of the page of `size` at `address`.
  @inline(__always)
  package mutating func enqueue(_ address: UInt64, size: PageSize) {
    if range.isEverything { return }
    if range.isEmpty {
      range = PendingRange(address, size)
    } else {
      oweAnother(address, size)
    }
  }

  /// Owes the invalidation of `pageCount` pages of 4 KiB that follow each other from `address` on.
  package mutating func enqueue(_ address: UInt64, pageCount: UInt64) {
    if pageCount > Self.pageLimit { return enqueueEverything() }
    for index in 0..<pageCount {
      enqueue(address &+ index &* PageSize.fourKiB.byteCount, size: .fourKiB)
    }
  }

  @inline(never)
  private mutating func oweAnother(_ address: UInt64, _ size: PageSize) {
    if pageCount >= Self.pageLimit {
      enqueueEverything()
    } else if range.extend(by: address, size) {
      return
    } else if earlierRange.isEmpty {
      earlierRange = range
      range = PendingRange(address, size)
    } else {
      enqueueEverything()
    }
  }

  /// Owes the invalidation of everything.
  package mutating func enqueueEverything() { range = .everything }

  /// Keeps what the leaf `entry` of `size` owned until everything is paid. The entry has been taken
  /// out of its node.
  @inline(__always)
  package mutating func hold(_ entry: PageTableEntry, size: PageSize) {
    guard entry.ownsFrame else { return }
    // SAFETY: the caller took the entry out of its node, so that its count is held once.
    let slot = unsafe Mapping.slot(of: entry, size: size)
    if !held.extend(by: slot) { holdAnother(slot) }
  }

  @inline(never)
  private mutating func holdAnother(_ slot: FrameSlotReference) {
    if !held.makeRoom() { flushEarly() }
    _ = held.extend(by: slot)
  }

  /// Keeps the detached `node`, with all that hangs below it, until everything is paid.
  package mutating func hold(_ node: PageTableNode) {
    enqueueEverything()
    held.add(node)
  }

  /// Carries out what is owed on this processor, where `isActive` says whether the address space is
  /// in use. What is owed stays written down: `release` comes next, and then this is destroyed.
  @inline(__always)
  package borrowing func pay(isActive: @autoclosure () -> Bool) {
    guard !range.isEmpty, isGlobal || isActive() else { return }
    Self.invalidate(range, earlierRange, alsoGlobal: isGlobal)
  }

  // Not a method: what a method is called on is copied for it when the owner is destroyed.
  @inline(never)
  private static func invalidate(
    _ range: PendingRange, _ earlierRange: PendingRange, alsoGlobal: Bool
  ) {
    if FlushSwitch.isOff { return }
    if range.isEverything {
      FlushStatistics.countFull()
      Processor.invalidateAll(alsoGlobal: alsoGlobal)
    } else if range.pageCount == 1 && earlierRange.isEmpty {
      FlushStatistics.count(pages: 1)
      Processor.invalidatePage(at: range.start)
    } else {
      FlushStatistics.count(pages: range.pageCount + earlierRange.pageCount)
      earlierRange.invalidate()
      range.invalidate()
    }
  }

  /// Lets go of what was held, once everything is paid.
  @inline(__always)
  package borrowing func release() { held.release() }

  /// Whether a detached node waits to be freed.
  package var holdsNodes: Bool { held.holdsNodes }

  /// Pays and releases when there is no room to hold more.
  private mutating func flushEarly() {
    enqueueEverything()
    pay(isActive: true)
    held.release()
    held = DeferredFrames()
    range = .none
    earlierRange = .none
  }
}

/// Pages of one size that follow each other, in one word, so that a cursor without debts is opened
/// and closed with little to write and to look at.
///
/// | Bits    | Meaning                           |
/// |---------|-----------------------------------|
/// | 1...0   | the size of the pages             |
/// | 11...2  | how many they are; 0 = no range   |
/// | 63...12 | where the first one is, over 4096 |
private struct PendingRange {
  private var word: UInt64

  @inline(__always)
  private init(word: UInt64) { self.word = word }

  /// The page of `size` at `address`.
  @inline(__always)
  init(_ address: UInt64, _ size: PageSize) {
    word = address | Self.onePage | UInt64(size.rawValue)
  }

  @inline(__always)
  static var none: PendingRange { PendingRange(word: 0) }
  /// All that is cached: more pages than there are.
  @inline(__always)
  static var everything: PendingRange { PendingRange(word: .max) }

  private static var onePage: UInt64 { 1 << 2 }

  @inline(__always)
  var isEmpty: Bool { word == 0 }
  @inline(__always)
  var isEverything: Bool { word == .max }

  var pageCount: Int { Int(word >> 2 & 1023) }
  var start: UInt64 { word & ~4095 }
  private var shift: UInt64 { 12 + 9 * (word & 3) }

  /// Adds the page of `size` at `address` if it is the next one. Says whether it was.
  mutating func extend(by address: UInt64, _ size: PageSize) -> Bool {
    guard size.shift == shift && address == start &+ UInt64(pageCount) << shift else {
      return false
    }
    word += Self.onePage
    return true
  }

  func invalidate() {
    for index in 0..<UInt64(pageCount) { Processor.invalidatePage(at: start &+ index << shift) }
  }
}
