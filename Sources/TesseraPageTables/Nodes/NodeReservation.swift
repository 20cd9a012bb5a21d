internal import TesseraFrames
internal import TesseraHardware

/// Nodes that were allocated before a change begins, so that the change cannot fail for want of them.
///
/// What is left over goes back when this is destroyed.
struct NodeReservation: ~Copyable {
  private var first: FrameSlotReference?

  init() {}

  /// Allocates `count` nodes. Throws `outOfFrames`; those that were had until then go back.
  init(_ count: Int) throws(MapError) {
    for _ in 0..<count { try add() }
  }

  private mutating func add() throws(MapError) {
    do throws(FrameError) {
      let node = try PageTableNodePool.make(level: .leafTable)
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

  deinit {
    var next = first
    while let slot = next {
      // SAFETY: what is reserved is a node, with one count.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      PageTableNodePool.release(node)
    }
  }
}
