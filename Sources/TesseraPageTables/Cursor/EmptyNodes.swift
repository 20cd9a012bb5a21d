internal import TesseraFrames
internal import TesseraHardware

/// Takes nodes without entries out of their trees, so that page tables need as much memory as there
/// is mapped, and no more.
///
/// A cursor takes out the nodes that it has emptied, but not its covering node: it does not hold
/// the parent's lock, and must not take it, because locks are taken from above. So this comes
/// after, from above, and looks whether the node is still empty.
enum EmptyNodes {
  /// Takes out the node of `level` that spans `address`, if it has no entries, and then those above
  /// it of which the same is true.
  static func reclaim(
    under root: PageTableNode, at address: UInt64, from level: PagingLevel, isKernel: Bool
  ) {
    let rootLevel = PagingMode.current.rootLevel
    var level = level
    while level < rootLevel && !(isKernel && level.above == rootLevel) {
      guard detach(under: root, at: address, level, isKernel) else { return }
      level = level.above
    }
  }

  /// Takes out one empty node. Says whether its parent is empty now.
  private static func detach(
    under root: PageTableNode, at address: UInt64, _ level: PagingLevel, _ isKernel: Bool
  ) -> Bool {
    guard let parent = lockParent(under: root, at: address, of: level) else { return false }
    let index = VirtualAddress(address).index(at: level.above)
    let entry = parent[index]
    guard entry.isTable else {
      parent.unlock()
      return false
    }
    // SAFETY: the parent's lock keeps its child.
    let child = unsafe PageTableNode(at: entry.tableAddress)
    child.lock()
    guard child.presentCount == 0 else {
      child.unlock()
      parent.unlock()
      return false
    }
    parent.take(index)
    _ = child.abandon(level)
    let isParentEmpty = parent.presentCount == 0

    var flusher = TLBFlusher(isGlobal: isKernel)
    flusher.hold(child)
    flusher.pay(isActive: root.isActiveHere)
    parent.unlock()
    flusher.release()
    return isParentEmpty
  }

  /// The locked parent of the node of `level` that spans `address`; nil if there is none, or if
  /// somebody else has just taken it out.
  private static func lockParent(
    under root: PageTableNode, at address: UInt64, of level: PagingLevel
  ) -> PageTableNode? {
    Epoch.enter()
    defer { Epoch.leave() }
    var node = root
    var current = PagingMode.current.rootLevel
    while current > level.above {
      let entry = node[VirtualAddress(address).index(at: current)]
      guard entry.isTable else { return nil }
      // SAFETY: a node that an entry led to inside the epoch stays until its end.
      node = unsafe PageTableNode(at: entry.tableAddress)
      current = current.below
    }
    node.lock()
    guard !node.isDetached else {
      node.unlock()
      return nil
    }
    return node
  }
}
