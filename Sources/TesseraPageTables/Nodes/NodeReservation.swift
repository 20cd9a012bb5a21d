internal import TesseraFrames
package import TesseraHardware

/// Nodes that are allocated before a change begins, so that the change cannot run out of frames.
///
/// Destroying it frees those that are left. Public for the same reason as `RangeLock`.
public struct NodeReservation: ~Copyable {
  private var first: FrameSlotReference?

  @inline(__always)
  package init() {}

  /// Allocates as many nodes as mapping `range` under a root may need. Throws `outOfFrames`.
  package init(for range: Range<VirtualAddress>) throws(MapError) {
    let root = PagingMode.current.rootLevel
    let last = VirtualAddress(range.upperBound.rawValue &- 1)
    // A large leaf that lies across either end may have to be split.
    let count =
      Int(Self.nodeCount(below: root, from: range.lowerBound, to: last)) + 2 * (root.number - 1)
    for _ in 0..<count { try add() }
  }

  /// Takes `count` nodes from `other` as far as they go, and allocates the rest.
  ///
  /// Throws `outOfFrames`; `other` may then have fewer.
  init(_ count: Int, from other: inout NodeReservation) throws(MapError) {
    for _ in 0..<count {
      if let slot = other.first {
        // SAFETY: reserved slots are nodes.
        let node = unsafe PageTableNode(at: slot.address)
        other.first = node.next
        node.next = first
        first = slot
      } else {
        try add()
      }
    }
  }

  /// The number of nodes that the addresses from `start` to `last` need below a node of `top`, if
  /// there are none.
  ///
  /// Entries of level `largest` and below that lie wholly among these addresses become leaves, and
  /// need none.
  static func nodeCount(
    below top: PagingLevel, from start: VirtualAddress, to last: VirtualAddress,
    wholeUpTo largest: PagingLevel = .leafTable
  ) -> UInt64 {
    var count: UInt64 = 0
    var parent = top
    while parent > .leafTable {
      let first = start.rawValue >> parent.shift
      let end = last.rawValue >> parent.shift
      if parent > largest {
        count += end - first + 1
      } else {
        let cutCount: UInt64 =
          (start.isAligned(to: parent.span) ? 0 : 1) + (last == last.last(in: parent.span) ? 0 : 1)
        count += first == end ? min(cutCount, 1) : cutCount
      }
      parent = parent.below
    }
    return count
  }

  private mutating func add() throws(MapError) {
    do throws(FrameError) {
      let node = try NodePool.allocate(level: .leafTable).relinquish()
      node.next = first
      first = node.slot
    } catch { throw .outOfFrames }
  }

  /// Removes one of the nodes, for `level`. Traps if there is none.
  mutating func take(for level: PagingLevel) -> FreshNode {
    guard let slot = first else { panic("fewer page-table nodes were reserved than are needed") }
    // SAFETY: reserved slots are nodes.
    let node = unsafe PageTableNode(at: slot.address)
    first = node.next
    node.next = nil
    // SAFETY: the reservation owned the node, which has no entries and is locked.
    return unsafe FreshNode(owning: node, changedTo: level)
  }

  @inline(__always)
  deinit {
    if let first { Self.free(first) }
  }

  /// Frees the nodes of the list that begins with `first`.
  @inline(never)
  private static func free(_ first: FrameSlotReference) {
    var next: FrameSlotReference? = first
    while let slot = next {
      // SAFETY: reserved slots are nodes, each with one reference.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      NodePool.release(node)
    }
  }
}
