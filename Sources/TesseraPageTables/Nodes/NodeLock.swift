internal import TesseraHardware

/// The lock of a single node. Destroying it releases the lock.
struct NodeLock: ~Copyable {
  private let node: PageTableNode
  private let level: PagingLevel

  /// Acquires the lock of `node`, of `level`, which a walk has found in the tables of `version`.
  /// Returns nil, without waiting, if it is held, or if a node was detached since.
  init?(trying node: PageTableNode, of level: PagingLevel, while version: TreeVersion) {
    guard node.tryAcquireLock(while: version) else { return nil }
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
