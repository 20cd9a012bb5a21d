internal import TesseraFrames
internal import TesseraHardware

/// Nodes that were allocated before a change begins, so that the change cannot fail for want of
/// them.
///
/// What is left over goes back when this is destroyed. Public for the same reason as `CursorState`.
public struct NodeReservation: ~Copyable {
  private var first: FrameSlotReference?

  package init() {}

  /// Allocates as many nodes as mapping the bytes from `start` to `last` under a root may need.
  ///
  /// Throws `outOfFrames`; those that were had until then go back.
  package init(from start: UInt64, to last: UInt64) throws(MapError) {
    let root = PagingMode.current.rootLevel
    // A large leaf that lies across either end may have to be split.
    let count = Int(Self.nodeCount(below: root, from: start, to: last)) + 2 * (root.number - 1)
    for _ in 0..<count { try add() }
  }

  /// Takes `count` nodes from `other` as far as they go, and allocates the rest.
  ///
  /// Throws `outOfFrames`; those that were had until then go back, and `other` may have fewer.
  init(_ count: Int, from other: inout NodeReservation) throws(MapError) {
    for _ in 0..<count {
      if let slot = other.first {
        // SAFETY: what is reserved is a node.
        let node = unsafe PageTableNode(at: slot.address)
        other.first = node.next
        node.next = first
        first = slot
      } else {
        try add()
      }
    }
  }

  /// How many nodes the bytes from `position` to `last` need below a node of `top`, if there is
  /// none.
  ///
  /// Entries of level `largest` and below that lie wholly among these bytes become leaves, and need
  /// none.
  static func nodeCount(
    below top: PagingLevel, from position: UInt64, to last: UInt64,
    wholeUpTo largest: PagingLevel = .leafTable
  ) -> UInt64 {
    var count: UInt64 = 0
    var parent = top
    while parent > .leafTable {
      let first = position >> parent.shift
      let end = last >> parent.shift
      if parent > largest {
        count += end - first + 1
      } else {
        let cutsFirst = position & (parent.span &- 1) != 0
        let cutsLast = ~last & (parent.span &- 1) != 0
        let cutCount: UInt64 = (cutsFirst ? 1 : 0) + (cutsLast ? 1 : 0)
        count += first == end ? min(cutCount, 1) : cutCount
      }
      parent = parent.below
    }
    return count
  }

  private mutating func add() throws(MapError) {
    do throws(FrameError) {
      let node = try NodePool.make(level: .leafTable)
      node.next = first
      first = node.slot
    } catch { throw .outOfFrames }
  }

  /// Takes one of the nodes, for `level`: locked, and without entries.
  mutating func take(for level: PagingLevel) -> PageTableNode {
    guard let slot = first else { panic("more page-table nodes were needed than reserved") }
    // SAFETY: what is reserved is a node.
    let node = unsafe PageTableNode(at: slot.address)
    first = node.next
    node.prepare(level)
    return node
  }

  @inline(__always)
  deinit {
    if let first { Self.giveBack(first) }
  }

  /// Gives the nodes back of which that of `first` is the first.
  @inline(never)
  private static func giveBack(_ first: FrameSlotReference) {
    var next: FrameSlotReference? = first
    while let slot = next {
      // SAFETY: what is reserved is a node, with one count.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      NodePool.release(node)
    }
  }
}
