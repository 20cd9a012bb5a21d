internal import TesseraHardware

/// A node that nothing refers to yet: locked, and owned by this value.
///
/// It is filled through `withNode` and then linked into a tree, which takes over its reference and
/// its lock, or becomes a root. Destroying it frees the node. Public for the same reason as
/// `RangeLock`.
public struct FreshNode: ~Copyable {
  /// Nil once it was given away.
  private var node: PageTableNode?
  private let level: PagingLevel

  /// The caller gives up the only reference of `node`, of `level`, and its lock.
  @inline(__always)
  @unsafe init(owning node: PageTableNode, level: PagingLevel) {
    self.node = node
    self.level = level
  }

  /// As `init(owning:level:)`, for a node that was allocated for another level.
  @unsafe init(owning node: PageTableNode, changedTo level: PagingLevel) {
    // SAFETY: the caller owns the node.
    unsafe node.storage.pointee.level = UInt8(truncatingIfNeeded: level.number)
    self.node = node
    self.level = level
  }

  /// Calls `body` with the node, to fill it.
  @inline(__always)
  package borrowing func withNode<Failure: Error>(
    _ body: (LockedNode) throws(Failure) -> Void
  ) throws(Failure) {
    // SAFETY: a fresh node is there and locked until it is given away, which consumes this.
    try body(unsafe LockedNode(holding: node.unsafelyUnwrapped, level: level))
  }

  /// Releases the lock, and returns the node, whose reference the caller then owns: that of a root.
  @inline(__always)
  package consuming func relinquishUnlocked() -> PageTableNode {
    let node = relinquish()
    node.releaseLock()
    return node
  }

  /// Gives up the reference and the lock.
  @inline(__always)
  consuming func relinquish() -> PageTableNode {
    // SAFETY: nothing else sets it to nil, and this is consumed.
    let node = unsafe self.node.unsafelyUnwrapped
    self.node = nil
    return node
  }

  @inline(__always)
  deinit {
    if let node {
      node.releaseLock()
      NodePool.release(node)
    }
  }
}
