internal import TesseraFrames
internal import TesseraHardware

/// Frames and nodes that have been unmapped and wait for the flush.
///
/// A frame with no other owner is made unique and goes into a chain through its slot, so there is
/// room for any number of them. One with other owners is kept in a small table.
struct HeldFrames: ~Copyable {
  private var chain: FrameSlotReference?
  private var nodes: FrameSlotReference?
  private var shared = [8 of FrameSlotReference?](repeating: nil)
  private var sharedCount = 0

  var isEmpty: Bool { chain == nil && nodes == nil && sharedCount == 0 }
  var isFull: Bool { sharedCount == 8 }
  var holdsNodes: Bool { nodes != nil }

  /// Holds the count of `frame`. There is room.
  @inline(__always)
  mutating func add(_ frame: consuming AnyFrame) {
    let slot = frame.relinquishSlot()
    if slot.reclaim() {
      slot.setListIdentifier(FrameChain.word(for: chain))
      chain = slot
    } else {
      shared[sharedCount] = slot
      sharedCount += 1
    }
  }

  /// Holds the count of the detached `node`.
  mutating func add(_ node: PageTableNode) {
    node.next = nodes
    nodes = node.slot
  }

  /// Lets go of everything. Comes last: what is held stays written down.
  borrowing func release() {
    var next = chain
    while let slot = next {
      next = FrameChain.next(of: slot)
      slot.setListIdentifier(0)
      slot.retire()
    }
    for index in 0..<sharedCount {
      guard let slot = shared[index] else { continue }
      // SAFETY: `add` put the count of this frame here.
      _ = unsafe AnyFrame(adopting: slot)
    }
    next = nodes
    while let slot = next {
      // SAFETY: the chain holds detached nodes, each with the count that its entry had.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      node.next = nil
      PageTableNodePool.release(node)
    }
  }
}

/// A chain of unique frames, through the word of their slots that says which list they are in.
///
/// An odd number is a link, and no list's identifier: those are even.
private enum FrameChain {
  /// What the slot before `next` says.
  @inline(__always)
  static func word(for next: FrameSlotReference?) -> UInt64 {
    guard let next else { return 1 }
    return FrameTable.number(of: next) << 1 &+ 3
  }

  @inline(__always)
  static func next(of slot: FrameSlotReference) -> FrameSlotReference? {
    let word = slot.listIdentifier
    return word == 1 ? nil : FrameTable.slot(number: (word &- 3) >> 1)
  }
}
