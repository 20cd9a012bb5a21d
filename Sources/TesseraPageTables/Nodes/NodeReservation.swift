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
  package init(for range: Range<VirtualAddress>) throws(TesseraError) {
    let root = PagingMode.current.rootLevel
    let last = VirtualAddress(range.upperBound.rawValue &- 1)
    // A large leaf that lies across either end may have to be split.
    let count =
      Int(Self.nodeCount(below: root, from: range.lowerBound, to: last)) + 2 * (root.number - 1)
    try Self.checkAvailable(count)
    for _ in 0..<count { try add() }
  }

  /// Takes `count` nodes from `other` as far as they go, and allocates the rest.
  ///
  /// Throws `outOfFrames`; `other` then has what it had.
  init(_ count: Int, from other: inout NodeReservation) throws(TesseraError) {
    if count > NodePool.capacity { try Self.checkAvailable(count) }
    for _ in 0..<count {
      if other.moveFirst(to: &self) { continue }
      do throws(TesseraError) { try add() } catch {
        other.add(&self)
        throw error
      }
    }
  }

  /// Moves all nodes of `rest`, which needs them no more, to this one.
  mutating func add(_ rest: inout NodeReservation) {
    while rest.moveFirst(to: &self) {}
  }

  /// Moves a node to `other`. Returns false if there is none.
  @inline(__always)
  private mutating func moveFirst(to other: inout NodeReservation) -> Bool {
    guard let slot = first else { return false }
    // SAFETY: reserved slots are nodes.
    let node = unsafe PageTableNode(at: slot.address)
    first = node.next
    node.next = other.first
    other.first = slot
    return true
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

  /// Throws `outOfFrames` if there are fewer than `count` frames at all. A request that cannot
  /// succeed must not take the memory of others first.
  private static func checkAvailable(_ count: Int) throws(TesseraError) {
    if UInt64(count) > NodePool.availableFrameCount { throw .outOfFrames }
  }

  private mutating func add() throws(TesseraError) {
    let node = try NodePool.allocate(level: .leafTable).relinquish()
    node.next = first
    first = node.slot
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
      // SAFETY: reserved slots are nodes, each locked and with one reference.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      node.releaseLock()
      NodePool.release(node)
    }
  }
}
