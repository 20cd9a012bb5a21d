internal import TesseraHardware

extension RootNode {
  /// Unmaps everything that `root` maps for a program, and releases it, if the root is active on
  /// the calling processor and on no other.
  ///
  /// Nothing else uses the root any more. Interrupts are off while its entries are removed and the
  /// TLB is flushed, but not while what they mapped is released.
  package static func emptyIfActiveHere(_ root: PageTableNode) {
    if !root.isActiveHere { return }
    let interrupts = Processor.disableInterrupts()
    guard root.isActiveHereAlone else { return Processor.restoreInterrupts(interrupts) }
    var flusher = TLBFlusher(isGlobal: false)
    root.acquireLock()
    // SAFETY: the lock was just acquired.
    unlinkUserEntries(of: unsafe LockedNode(holding: root, level: root.level), &flusher)
    root.releaseLock()
    let deferred = flusher.flush(root)
    Processor.restoreInterrupts(interrupts)
    _ = consume deferred
  }

  private static func unlinkUserEntries(of node: LockedNode, _ flusher: inout TLBFlusher) {
    node.node.forEachUsed(AddressSpaceLayout.userEntries) { index, entry in
      node.remove(at: index)
      guard entry.isTable else { return }
      // SAFETY: the entry held the reference of its child, and has just been removed. No cursor is
      // open, so nothing below has to be marked as detached.
      flusher.deferRelease(of: DetachedNode(unsafe PageTableNode(at: entry.tableAddress)))
    }
  }
}
