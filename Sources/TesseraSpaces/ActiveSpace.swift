internal import TesseraFrames
package import TesseraHardware
package import TesseraPageTables

/// The address space that each processor runs on, as its word in `ActiveRoots` says.
///
/// A processor holds a reference to the root it runs on, so an address space can be destroyed while
/// it is active: its pages are unmapped at once, and its root stays until the processor leaves it.
/// Who changes entries finds the processor by the word, or, if it is one of the first 64, by a bit
/// in the root:
///
///     activate   reference acquired, bit set, word written; CR3 loaded; word written once more
///     leave      CR3 loaded with another root, then bit cleared, then reference dropped
///
/// The root names the processor, or the processor the root, before the first translation can be
/// cached and until after the last can be used, so a flush that looks for them after it has changed
/// an entry misses no processor.
///
/// CR3 is not consulted for what a processor runs on. A kernel may have loaded it itself, in the
/// trampoline of a processor or on a context switch; the word then says which reference the
/// processor holds, and the next activation takes what is missing.
package enum ActiveSpace {
  /// Forgets all processors. Called when the kernel space is started, while no other processor
  /// runs.
  static func reset() {
    TLBShootdown.reset()
    RetiredRoots.reset()
  }

  /// Claims the number of the calling processor, which then has to `start`.
  ///
  /// - Throws: `processorNumberOutOfBounds` or `processorNumberInUse`.
  package static func claimProcessor() throws(BootError) {
    try checkProcessor()
    guard ActiveRoots.claim(Processor.current) else { throw .processorNumberInUse }
  }

  /// Checks that `claimProcessor` would succeed. Changes nothing.
  package static func checkProcessor() throws(BootError) {
    guard isInBounds(Processor.current) else { throw .processorNumberOutOfBounds }
    guard ActiveRoots.rootAddress(of: Processor.current) == nil else {
      throw .processorNumberInUse
    }
  }

  /// Makes the calling processor, whose number is claimed, run on the kernel's root.
  package static func start() {
    let interrupts = Processor.disableInterrupts()
    TLBShootdown.addProcessor()
    enter(KernelSpace.root, on: Processor.current)
    ProcessContexts.start()
    Processor.restoreInterrupts(interrupts)
  }

  /// Makes the calling processor, which was started, one that holds no reference to a root and is
  /// asked for no flush. It stays on the kernel's root, which lives permanently. Its number may be
  /// claimed again.
  package static func stop() {
    let interrupts = Processor.disableInterrupts()
    let processor = Processor.current
    switchTo(KernelSpace.root)
    ProcessContexts.stop()
    TLBShootdown.removeProcessor()
    leave(KernelSpace.root.address, on: processor)
    // Last, because another processor may have the number from here on.
    ActiveRoots.release(processor)
    Processor.restoreInterrupts(interrupts)
  }

  /// Returns whether the calling processor has been started. Traps if its number is not below the
  /// processor count.
  package static var isStartedHere: Bool { ActiveRoots.rootAddress(of: checkedProcessor) != nil }

  private static var checkedProcessor: Int {
    let processor = Processor.current
    require(isInBounds(processor), "processor number is not below the processor count")
    return processor
  }

  /// Makes the calling processor run on the tables under `root`, which has the kernel's entries.
  ///
  /// Drops the processor's reference to the old root once CR3 no longer holds it. Traps unless the
  /// processor was started.
  ///
  /// If interrupts are off, as on a context switch, waits for nothing and takes little longer than
  /// a load of CR3. If they are on, may release what destroyed spaces have left.
  package static func activate(_ root: PageTableNode) {
    let interrupts = Processor.disableInterrupts()
    switchTo(root)
    Processor.restoreInterrupts(interrupts)
    if interrupts { RetiredRoots.releaseAll() }
  }

  /// As `activate`, with interrupts off.
  private static func switchTo(_ root: PageTableNode) {
    let processor = checkedProcessor
    guard let old = ActiveRoots.rootAddress(of: processor) else {
      panic("an address space was activated on a processor that was not started")
    }
    if old != root.address {
      ProcessContexts.leave(old, here: processor)
      enter(root, on: processor)
      leave(old, on: processor)
    } else if Processor.rootAddress != root.address {
      // SAFETY: the root has the kernel's entries, which map this code, its stack and its data.
      unsafe ProcessContexts.reload(root.address, here: processor)
    }
  }

  /// Returns whether the calling processor runs on the tables under `root`.
  package static func isActive(_ root: PageTableNode) -> Bool {
    Processor.rootAddress == root.address && root.isActiveHere
  }

  /// Acquires a reference to `root` and loads it, with interrupts off.
  private static func enter(_ root: PageTableNode, on processor: Int) {
    root.slot.share()
    if ProcessorSet.group(of: processor) == 0 { root.setActive(true, on: processor) }
    ActiveRoots.beginSwitch(to: root.address, on: processor)
    if root.address == KernelSpace.root.address {
      // SAFETY: the root has the kernel's entries, which map this code, its stack and its data.
      unsafe ProcessContexts.loadKernel(root.address, here: processor)
    } else {
      // SAFETY: as above.
      unsafe ProcessContexts.load(root.address, version: root.version, here: processor)
    }
    ActiveRoots.endSwitch(to: root.address, on: processor)
  }

  /// Drops the reference to the root at `address`, which `processor`, the calling one, has just
  /// left.
  private static func leave(_ address: PhysicalAddress, on processor: Int) {
    // SAFETY: the processor's word named it, so it is a node, and the processor still holds a
    // reference.
    let old = unsafe PageTableNode(at: address)
    if ProcessorSet.group(of: processor) == 0 { old.setActive(false, on: processor) }
    RetiredRoots.drop(old)
  }

  private static func isInBounds(_ processor: Int) -> Bool {
    processor < min(Processor.limit, FrameAllocator.processorCount)
  }
}
