internal import TesseraFrames
internal import TesseraHardware

/// Removes empty nodes from their trees, so that page tables take no more memory than what is
/// mapped needs.
///
/// A cursor removes the nodes that it has emptied, but not its covering node: detaching a node
/// requires its lock and its parent's, and a parent must be locked first. So this runs after the
/// cursor has released its locks, from above, and checks again whether the node is empty.
///
/// It does not wait for long, because a cursor must not wait for one on other pages, which its own
/// caller may have open. If either lock is held, the empty node stays. It is a node like any other:
/// pages can be mapped in it, the next cursor that it covers and leaves empty removes it, as does
/// an `unmap` of a range that includes it, and it is freed with its space at the latest.
///
/// The kernel's space is never freed, and its addresses are not used again soon. So the lock of the
/// parent is tried for some microseconds: mostly another processor has it that removes a neighbour,
/// and flushes. A cursor that has the lock of the empty node itself finds it empty, or uses it.
enum EmptyNodes {
  /// Removes the node of `level` that spans `address` if it is empty, and then those above it that
  /// have become so.
  ///
  /// Not inlined: it is rare, and would take registers from the end of every cursor.
  @inline(never)
  static func reclaim(
    under root: PageTableNode, at address: VirtualAddress, from level: PagingLevel
  ) {
    let rootLevel = PagingMode.current.rootLevel
    let isKernel = Int64(bitPattern: address.rawValue) < 0
    var level = level
    while level < rootLevel && !(isKernel && level.above == rootLevel) {
      guard detach(under: root, at: address, level, isKernel) else { return }
      level = level.above
    }
  }

  /// Removes one empty node. Returns whether its parent is empty now.
  private static func detach(
    under root: PageTableNode, at address: VirtualAddress, _ level: PagingLevel, _ isKernel: Bool
  ) -> Bool {
    guard let lock = lockParent(under: root, at: address, of: level) else { return false }
    var flusher = TLBFlusher(isGlobal: isKernel)
    let isParentEmpty = unlinkEmptyChild(of: lock, at: address, &flusher)
    let deferred = flusher.flush(root)
    // The node is freed once its parent is unlocked.
    _ = consume lock
    _ = consume deferred
    return isParentEmpty
  }

  /// Unlinks the child of the locked node that spans `address`, if it is empty. Returns whether
  /// that has left the node empty.
  private static func unlinkEmptyChild(
    of lock: borrowing NodeLock, at address: VirtualAddress, _ flusher: inout TLBFlusher
  ) -> Bool {
    let parent = lock.locked
    let index = parent.index(of: address)
    guard lockEmptyChild(of: parent, at: index) else { return false }
    flusher.deferRelease(of: parent.unlink(at: index))
    return parent.presentCount == 0
  }

  /// Locks the node that the entry at `index` of `parent` refers to, if it is empty and not
  /// locked yet. Returns whether it is locked.
  private static func lockEmptyChild(of parent: LockedNode, at index: Int) -> Bool {
    let entry = parent[index]
    guard entry.isTable else { return false }
    // SAFETY: the parent's lock keeps its child.
    let child = unsafe PageTableNode(at: entry.tableAddress)
    guard child.tryAcquireLock() else { return false }
    if child.presentCount == 0 { return true }
    child.releaseLock()
    return false
  }

  /// How often the lock of a parent is tried. Once if no other processor could release it.
  private static var patience: Int { FrameAllocator.processorCount == 1 ? 1 : 256 }

  /// The lock of the parent of the node of `level` that spans `address`; nil if there is none, or
  /// if it is held. Answers other processors meanwhile: the owner may be waiting for this one.
  private static func lockParent(
    under root: PageTableNode, at address: VirtualAddress, of level: PagingLevel
  ) -> NodeLock? {
    for _ in 0..<patience {
      let version = TreeVersion()
      let found = root.walk(to: address, in: version) { entry, current in
        entry.isTable && current > level.above
      }
      // Otherwise another processor has just detached a node, of this tree or of another.
      if let (node, reached) = found {
        guard reached == level.above else { return nil }
        if let lock = NodeLock(trying: node, of: reached, while: version) { return lock }
      }
      TLBShootdown.serve()
      Processor.pause()
    }
    return nil
  }
}
