internal import TesseraFrames
internal import TesseraHardware

/// A node that was removed from its tree, and the reference that its entry had. It must be deferred
/// until after the flush, because a processor may still walk it.
@frozen
package struct DetachedNode: ~Copyable {
  private let node: PageTableNode

  init(_ node: PageTableNode) { self.node = node }

  /// The slot of the node, whose reference the caller now owns.
  consuming func relinquishSlot() -> FrameSlotReference {
    let slot = node.slot
    discard self
    return slot
  }

  /// The number of bytes that the node, of `level`, and those below it map.
  func mappedByteCount(of level: PagingLevel) -> UInt64 {
    var mapped: UInt64 = 0
    node.visitSubtree(
      of: level,
      enter: { node, level, _ in
        guard node.presentCount > 0 else { return }
        for index in 0..<512 where node[index].isLeaf { mapped += level.span }
      })
    return mapped
  }

  deinit { require(false, "a detached page-table node was dropped before the TLB flush") }
}
