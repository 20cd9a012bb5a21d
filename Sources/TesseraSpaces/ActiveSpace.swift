internal import TesseraFrames
internal import TesseraHardware
package import TesseraPageTables

/// Which root each processor runs on: the one in its CR3, of which it holds a count.
package enum ActiveSpace {
  /// Runs this processor on the tables under `root`.
  ///
  /// `root` has the kernel's upper half. The old root is let go once it is out of use.
  package static func activate(_ root: PageTableNode) {
    let interrupts = Processor.disableInterrupts()
    defer { Processor.restoreInterrupts(interrupts) }
    let old = PhysicalAddress(Processor.rootRegister & PageTableEntry.addressMask)
    guard old != root.address else { return }
    let processor = Processor.current
    require(
      processor < min(64, FrameAllocator.processorCount),
      "a processor has a higher number than the kernel was started with")

    root.slot.share()
    // Whoever changes the space from now on tells this processor; what was changed before is seen,
    // because nothing of the space is cached here yet.
    root.setActive(true, on: processor)
    // SAFETY: the root has the kernel's half, where this code, its stack and its data are.
    unsafe Processor.loadRootRegister(root.address.rawValue)
    leave(old, on: processor)
  }

  /// Whether this processor runs on the tables under `root`.
  package static func isActive(_ root: PageTableNode) -> Bool {
    Processor.rootRegister & PageTableEntry.addressMask == root.address.rawValue
  }

  /// Lets go of the root at `address`, which this processor has just left.
  private static func leave(_ address: PhysicalAddress, on processor: Int) {
    // The tables that the kernel started on are no node, and nobody's.
    guard let slot = try? FrameTable.slot(at: address), slot.kind.usage == .pageTable else {
      return
    }
    // SAFETY: the usage says so, and this processor still holds a count.
    let old = unsafe PageTableNode(at: address)
    old.setActive(false, on: processor)
    NodePool.release(old)
  }
}
