internal import Synchronization
internal import TesseraFrames
package import TesseraHardware
package import TesseraPageTables

/// The address space that each processor runs on, as its record says.
///
/// A processor holds a reference to the root it runs on, so an address space can be destroyed while
/// it is active: its pages are unmapped at once, and its root stays until the processor leaves it.
/// The root in turn has a bit for each processor it is active on, which says where a translation of
/// it may be cached:
///
///     activate   reference acquired, bit set, CR3 loaded, then recorded
///     leave      CR3 loaded with another root, then bit cleared, then reference dropped
///
/// The bit is set before the first translation can be cached and cleared after the last can be
/// used, so a flush that reads the bits after it has changed an entry misses no processor.
///
/// CR3 is not consulted. A kernel may have loaded it itself, in the trampoline of a processor or on
/// a context switch; the record then says which reference the processor holds, and the next
/// activation takes what is missing.
package enum ActiveSpace {
  // SAFETY: a record of zeros is that of a processor that has not been started; its word is atomic.
  private static let records = unsafe PerProcessor<ProcessorRecord>()

  /// Forgets all processors. Called when the kernel space is started, while no other processor
  /// runs.
  static func reset() {
    for processor in 0..<ProcessorSet.capacity { clear(records[processor].word) }
    TLBShootdown.reset()
    RetiredRoots.reset()
  }

  /// Claims the number of the calling processor, which then has to `start`.
  ///
  /// - Throws: `processorNumberOutOfBounds` or `processorNumberInUse`.
  package static func claimProcessor() throws(BootError) {
    try checkProcessor()
    guard claim(records[Processor.current].word) else { throw .processorNumberInUse }
  }

  /// Checks that `claimProcessor` would succeed. Changes nothing.
  package static func checkProcessor() throws(BootError) {
    guard isInBounds(Processor.current) else { throw .processorNumberOutOfBounds }
    guard rootAddress(in: records[Processor.current].word) == nil else {
      throw .processorNumberInUse
    }
  }

  /// Makes the calling processor, whose number is claimed, run on the tables under `root`.
  package static func start(on root: PageTableNode) {
    let interrupts = Processor.disableInterrupts()
    TLBShootdown.addProcessor()
    enter(root, on: Processor.current)
    Processor.restoreInterrupts(interrupts)
  }

  /// Makes the calling processor, which was started, one that holds no reference to a root and is
  /// asked for no flush. It stays on the kernel's root, which lives permanently. Its number may be
  /// claimed again.
  package static func stop() {
    let interrupts = Processor.disableInterrupts()
    let processor = Processor.current
    switchTo(KernelSpace.root)
    TLBShootdown.removeProcessor()
    leave(KernelSpace.root.address, on: processor)
    // Last, because another processor may have the number from here on.
    clear(records[processor].word)
    Processor.restoreInterrupts(interrupts)
  }

  /// Returns whether the calling processor has been started. Traps if its number is not below the
  /// processor count.
  package static var isStartedHere: Bool { rootAddress(in: records[checkedProcessor].word) != nil }

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
    guard let old = rootAddress(in: records[processor].word) else {
      panic("an address space was activated on a processor that was not started")
    }
    if old != root.address {
      enter(root, on: processor)
      leave(old, on: processor)
    } else if Processor.rootAddress != root.address {
      // SAFETY: the root has the kernel's entries, which map this code, its stack and its data.
      unsafe Processor.loadRootRegister(root.address.rawValue)
    }
  }

  /// Returns whether the calling processor runs on the tables under `root`.
  package static func isActive(_ root: PageTableNode) -> Bool {
    Processor.rootAddress == root.address && rootAddress(of: Processor.current) == root.address
  }

  /// The address of the root that `processor` runs on; nil if it has not been started.
  static func rootAddress(of processor: Int) -> PhysicalAddress? {
    isInBounds(processor) ? rootAddress(in: records[processor].word) : nil
  }

  /// Acquires a reference to `root` and loads it, with interrupts off.
  private static func enter(_ root: PageTableNode, on processor: Int) {
    root.slot.share()
    root.setActive(true, on: processor)
    // SAFETY: the root has the kernel's entries, which map this code, its stack and its data.
    unsafe Processor.loadRootRegister(root.address.rawValue)
    record(root.address, in: records[processor].word)
  }

  /// Drops the reference to the root at `address`, which `processor` has just left.
  private static func leave(_ address: PhysicalAddress, on processor: Int) {
    // SAFETY: the record named it, so it is a node, and this processor still holds a reference.
    let old = unsafe PageTableNode(at: address)
    old.setActive(false, on: processor)
    RetiredRoots.drop(old)
  }

  private static func isInBounds(_ processor: Int) -> Bool {
    processor < min(ProcessorSet.capacity, FrameAllocator.processorCount)
  }
}

/// What a processor runs on.
///
/// Access: written by the processor itself, read by all.
private struct ProcessorRecord: ~Copyable {
  /// The address of the root, plus 1 if the processor has been started.
  let word: Atomic<UInt64>
}

// Operations on the word of a record. It is passed to functions, because a record that is reached
// through a subscript has no methods in a build that allocates nothing.
extension ActiveSpace {
  /// The address of the root; nil before the processor is started.
  private static func rootAddress(in word: borrowing Atomic<UInt64>) -> PhysicalAddress? {
    // Ordering: relaxed; other processors read it for checks alone.
    let value = word.load(ordering: .relaxed)
    return value == 0 ? nil : PhysicalAddress(unchecked: value & ~1)
  }

  private static func record(_ root: PhysicalAddress, in word: borrowing Atomic<UInt64>) {
    // Ordering: relaxed; see `rootAddress(in:)`.
    word.store(root.rawValue | 1, ordering: .relaxed)
  }

  /// Marks the processor as started. Returns false if it was.
  private static func claim(_ word: borrowing Atomic<UInt64>) -> Bool {
    // Ordering: acquiring, pairs with the store in `clear`: what belongs to the number is as the
    // processor that had it before left it. Of two processors with one number, one wins.
    word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
  }

  private static func clear(_ word: borrowing Atomic<UInt64>) {
    // Ordering: releasing, pairs with the exchange in `claim`.
    word.store(0, ordering: .releasing)
  }
}
