internal import TesseraHardware

/// Frames that follow each other, of which somebody holds one count each.
package struct FrameRun {
  private let first: FrameSlotReference
  /// The slot after the last.
  private var end: FrameSlotReference

  /// The one frame of `slot`.
  @inline(__always)
  package init(_ slot: FrameSlotReference) { self.init(slot, frameCount: 1) }

  @inline(__always)
  package init(_ first: FrameSlotReference, frameCount: Int) {
    self.first = first
    end = first.advanced(by: frameCount)
  }

  package var frameCount: Int {
    Int(truncatingIfNeeded: FrameTable.number(of: end) &- FrameTable.number(of: first))
  }

  /// The slot of the one frame, if it is but one.
  @inline(__always)
  package var only: FrameSlotReference? { first.advanced(by: 1) == end ? first : nil }

  /// Adds the frame of `slot` if it is the next one. Says whether it was.
  @inline(__always)
  package mutating func extend(by slot: FrameSlotReference) -> Bool {
    guard slot == end else { return false }
    end = slot.advanced(by: 1)
    return true
  }

  /// Calls `body` with each frame.
  package func forEachSlot(_ body: (FrameSlotReference) -> Void) {
    var slot = first
    while slot != end {
      body(slot)
      slot = slot.advanced(by: 1)
    }
  }

  /// Lets go of one count of each frame; of the larger frame, where one is a part of that.
  ///
  /// Neighbours that nobody owns any more go back together, as soon as one comes that stays.
  @inline(never)
  package func release() {
    var start = first
    var slot = first
    while slot != end {
      let isFree = Self.drop(slot)
      if !isFree { Self.giveBack(from: start, to: slot) }
      slot = slot.advanced(by: 1)
      if !isFree { start = slot }
    }
    Self.giveBack(from: start, to: end)
  }

  @inline(__always)
  private static func giveBack(from start: FrameSlotReference, to end: FrameSlotReference) {
    guard start != end else { return }
    FrameAllocator.freeRun(start, frameCount: FrameRun(start, to: end).frameCount)
  }

  @inline(__always)
  private init(_ first: FrameSlotReference, to end: FrameSlotReference) {
    self.first = first
    self.end = end
  }

  /// Lets go of one count. Says whether the frame is to go back to the allocator, and has been
  /// prepared for that.
  @inline(__always)
  private static func drop(_ slot: FrameSlotReference) -> Bool {
    // The kind stays what it is as long as there is a count, and tells parts of large frames too.
    guard slot.kind.leavesNothingToDo else { return dropSlow(slot) }
    guard slot.release() else { return false }
    FrameAllocator.prepareToGiveBack(slot)
    return true
  }

  /// As `drop`, of whatever frame; of the larger one that the frame of `slot` is a part of, which
  /// goes back by itself.
  @inline(never)
  private static func dropSlow(_ slot: FrameSlotReference) -> Bool {
    if slot.count == ReferenceCount.tail {
      let head = slot.head
      if head.release() { head.retire() }
      return false
    }
    return slot.release() && unmake(slot)
  }

  /// Unmakes a frame whose last owner just let go. Says whether it is to go back.
  private static func unmake(_ slot: FrameSlotReference) -> Bool {
    let kind = slot.destroyMetadata()
    guard kind.isSmallAndAllocated else {
      slot.leave(kind)
      return false
    }
    FrameAllocator.prepareToGiveBack(slot)
    return true
  }
}
