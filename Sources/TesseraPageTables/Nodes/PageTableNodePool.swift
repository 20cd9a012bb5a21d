internal import Synchronization
package import TesseraFrames
package import TesseraHardware

/// Makes page-table nodes, from frames that are known to hold zeros if there are some.
///
/// A node whose last entry was taken out is all zeros again: it waits here, so that the next one
/// need not be cleared.
package enum PageTableNodePool {
  /// More nodes than this do not wait here: their frames go back to the allocator.
  package static var capacity: Int { 64 }

  /// Guards the chain. No other lock is taken while it is held.
  private static let lock = SpinLock()
  /// Access: under the lock.
  nonisolated(unsafe) private static var first: FrameSlotReference?
  /// Access: under the lock.
  nonisolated(unsafe) private static var storedCount = 0

  /// Begins without any node, when the memory has just been started.
  package static func start() {
    withLock {
      // SAFETY: under the lock.
      unsafe first = nil
      // SAFETY: under the lock.
      unsafe storedCount = 0
    }
  }

  /// How many nodes wait.
  package static var count: Int {
    // SAFETY: under the lock.
    withLock { unsafe storedCount }
  }

  /// A node of `level` without entries, locked, with one count. Throws `outOfFrames`.
  package static func make(
    level: PagingLevel, sharesUpperHalf: Bool = false
  ) throws(FrameError) -> PageTableNode {
    let slot: FrameSlotReference
    if let waiting = take() {
      if Processor.refusesAllocation {
        give(waiting)
        throw .outOfFrames
      }
      slot = waiting
    } else {
      slot = try FrameAllocator.take(FrameRequest())
    }
    slot.initialize(
      PageTableNodeMetadata(level: level, sharesUpperHalf: sharesUpperHalf), allocated: true)
    slot.setCount(1)
    // SAFETY: the frame has just become a node.
    return unsafe PageTableNode(at: slot.address)
  }

  /// Lets go of a count of `node`. With the last one the node's children are let go too, and the
  /// node, all zeros again, waits here.
  package static func release(_ node: PageTableNode) {
    guard node.slot.release() else { return }
    Processor.noteFrameFree(at: node.address, byteCount: PageSize.fourKiB.byteCount)
    node.slot.destroyMetadata()
    if Processor.poisonsFrames || !give(node.slot) { FrameAllocator.giveBack(node.slot) }
  }

  /// Gives all waiting nodes back to the allocator.
  package static func drain() {
    while let slot = take() { FrameAllocator.giveBack(slot) }
  }

  /// A frame full of zeros with a unique count, or nil if none waits.
  private static func take() -> FrameSlotReference? {
    withLock {
      // SAFETY: under the lock, and what waits is a node.
      guard let slot = unsafe first else { return nil }
      let node = unsafe PageTableNode(at: slot.address)
      unsafe first = node.next
      unsafe storedCount -= 1
      return slot
    }
  }

  /// Lets the frame of `slot`, full of zeros and nobody's else, wait. Says whether there was room.
  @discardableResult
  private static func give(_ slot: FrameSlotReference) -> Bool {
    withLock {
      // SAFETY: under the lock.
      guard unsafe storedCount < capacity else { return false }
      slot.initialize(PageTableNodeMetadata(level: .leafTable), allocated: true)
      slot.setCount(ReferenceCount.unique)
      // SAFETY: under the lock, and the frame has just become a node.
      unsafe PageTableNode(at: slot.address).next = first
      unsafe first = slot
      unsafe storedCount += 1
      return true
    }
  }

  @inline(__always)
  private static func withLock<Result>(_ body: () -> Result) -> Result {
    let interrupts = lock.lock()
    let result = body()
    lock.unlock(interrupts)
    return result
  }
}
