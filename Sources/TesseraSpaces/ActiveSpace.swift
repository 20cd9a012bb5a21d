internal import TesseraFrames
internal import TesseraHardware
package import TesseraPageTables

/// The address space that each processor runs on: the root in its CR3.
///
/// A processor holds a reference to that root, so an address space can be destroyed while it is
/// active and its tables stay until the processor leaves them. The root in turn has a bit for each
/// processor it is active on, which says where a translation of it may be cached:
///
///     activate   reference taken, bit set, then CR3 loaded
///     leave      CR3 loaded with another root, then bit cleared, then reference dropped
///
/// The bit is set before the first translation can be cached and cleared after the last can be
/// used, so a flush that reads the bits after it has changed an entry misses no processor.
package enum ActiveSpace {
  /// Makes the calling processor run on the tables under `root`, which has the kernel's entries.
  ///
  /// Drops the processor's reference to the old root once CR3 no longer holds it.
  package static func activate(_ root: PageTableNode) {
    let interrupts = Processor.disableInterrupts()
    defer { Processor.restoreInterrupts(interrupts) }
    let old = Processor.rootAddress
    guard old != root.address else { return }
    let processor = Processor.current
    require(
      processor < min(ProcessorSet.capacity, FrameAllocator.processorCount),
      "processor number is not below the processor count")

    root.slot.share()
    root.setActive(true, on: processor)
    // SAFETY: the root has the kernel's entries, which map this code, its stack and its data.
    unsafe Processor.loadRootRegister(root.address.rawValue)
    leave(old, on: processor)
  }

  /// Returns whether the calling processor runs on the tables under `root`.
  package static func isActive(_ root: PageTableNode) -> Bool {
    Processor.rootAddress == root.address
  }

  /// Drops the reference to the root at `address`, which `processor` has just left.
  private static func leave(_ address: PhysicalAddress, on processor: Int) {
    // The root that the kernel was started on is not a node, and has no owners.
    guard let slot = try? FrameTable.slot(at: address), slot.kind.usage == .pageTable else {
      return
    }
    // SAFETY: the frame's usage says that it is a node, and this processor still holds a reference.
    let old = unsafe PageTableNode(at: address)
    old.setActive(false, on: processor)
    NodePool.release(old)
  }
}
