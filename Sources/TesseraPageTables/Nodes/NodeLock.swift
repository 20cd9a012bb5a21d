internal import TesseraHardware

/// The lock of a single node. Destroying it releases the lock.
struct NodeLock: ~Copyable {
  private let node: PageTableNode
  private let level: PagingLevel

  /// Acquires the lock of `node`, of `level`, which stays for as long as this lives. Returns nil if
  /// the node is detached.
  init?(_ node: PageTableNode, of level: PagingLevel) {
    guard node.acquireLockUnlessDetached() else { return nil }
    self.node = node
    self.level = level
  }

  var locked: LockedNode {
    @_lifetime(borrow self)
    get {
      // SAFETY: the lock is held for as long as this lives.
      unsafe LockedNode(holding: node, level: level)
    }
  }

  deinit { node.releaseLock() }
}
