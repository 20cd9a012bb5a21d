import CTessera
import Foundation
public import Tessera
internal import TesseraFrames
public import TesseraHardware
internal import TesseraHeap
internal import TesseraPager

/// A machine in this process, with its memory in an arena and threads as processors.
///
/// Tessera has one frame table and one allocator, so there is one machine at a time. Suites that
/// use it are nested in `OnSimulatedMachine`, which serializes them. The arena is the memory from
/// physical address zero.
public final class SimulatedMachine {
  public let frameCount: Int
  public let processorCount: Int
  /// The totals of the frames, if the machine was booted on a memory map.
  public private(set) var totals = FrameTotals()
  /// The kernel's own allocator, if it has one.
  public let pool: KernelPool?
  private let arena: Arena
  private var attachedMMU: SimulatedMMU?

  /// Creates a machine with `frameCount` frames, of which the first `reserved` are reserved and the
  /// rest belong to the allocator.
  ///
  /// Slots and the allocator's state are outside the memory, so that tests can use every frame. If
  /// the kernel `hasPool`, the rest belongs to the pool, which never allocates frame 0. Memory that
  /// is not `isFilled` is zero and costs nothing until it is accessed, so there can be gigabytes.
  public init(
    frameCount: Int, reserved: Int = 0, processorCount: Int = 1, hasPool: Bool = false,
    isFilled: Bool = true
  ) {
    self.frameCount = frameCount
    self.processorCount = processorCount
    pool = hasPool ? KernelPool([reserved..<frameCount]) : nil
    let slotByteCount = frameCount * Int(FrameSlot.byteCount)
    let stateByteCount = Int(FrameAllocator.stateByteCount(processorCount: processorCount))
    arena = Arena(
      memoryByteCount: frameCount * 4096, recordByteCount: slotByteCount + stateByteCount,
      isFilled: isFilled)
    simulated_reset_registers()
    simulated_require_first_processor()
    Self.prepareProcessors()
    unsafe FrameTable.install(arena.records, frameCount: UInt64(frameCount))
    unsafe FrameAllocator.start(
      in: arena.records + slotByteCount, processorCount: processorCount,
      external: pool?.allocator)
    FrameAllocator.donate(
      from: PhysicalAddress(UInt64(reserved) << 12), to: PhysicalAddress(UInt64(frameCount) << 12))
  }

  /// Creates a machine that starts as a kernel does, on a memory map of `regions`, and keeps the
  /// frame metadata in its own memory. `pool` is the kernel's allocator, if it has one.
  ///
  /// - Throws: what `Boot.startFrames` throws.
  public init(
    booting regions: [MemoryRegion], processorCount: Int = 1, pool: KernelPool? = nil
  ) throws(TesseraError) {
    self.processorCount = processorCount
    self.pool = pool
    let list = UnsafeMutableBufferPointer<MemoryRegion>.allocate(capacity: regions.count)
    defer { list.deallocate() }
    _ = list.initialize(from: regions)
    let map = unsafe MemoryMap(MemoryRegionList(UnsafeBufferPointer(list)))
    frameCount = Int(map.endOfFrames.frameNumber)
    arena = Arena(memoryByteCount: frameCount * 4096, recordByteCount: 64)
    simulated_reset_registers()
    simulated_require_first_processor()
    Self.prepareProcessors()
    guard let pool else {
      totals = try Boot.startFrames(
        on: map, early: EarlyAllocator(map), processorCount: processorCount)
      return
    }
    totals = try Boot.startFrames(on: map, from: pool.allocator, processorCount: processorCount)
  }

  /// Creates a machine that lives until the process ends, for exit tests.
  public static func permanent(frameCount: Int, reserved: Int = 0, processorCount: Int = 1) {
    SimulatedMachine(
      frameCount: frameCount, reserved: reserved, processorCount: processorCount
    ).stayPermanently()
  }

  deinit { simulated_require_first_processor() }

  /// Forgets the processors of earlier machines, and makes processors answer interrupts.
  private static func prepareProcessors() {
    // The memory of their values may have been freed with the last machine.
    PerProcessorMemory.uninstall()
    ActiveRoots.reset()
    Heap.forget()
    Pager.forget()
    simulated_set_interrupt_handler { TLBShootdown.serve() }
  }

  /// Does what the interrupt of the calling processor does, as a loop that waits with interrupts
  /// off has to.
  public static func takeInterrupt() { TLBShootdown.serve() }

  /// Keeps the machine alive until the process ends.
  public func stayPermanently() { _ = Unmanaged.passRetained(self) }
}

extension SimulatedMachine {
  /// Returns the address of frame `number`.
  public func address(_ number: Int) -> PhysicalAddress { PhysicalAddress(UInt64(number) << 12) }

  /// Starts the kernel's address space on an empty root, as a loader leaves it.
  public func startKernelSpace() throws(TesseraError) {
    ProcessContexts.choose(ProcessorFeatures(), isAllowed: true)
    let root = try FrameAllocator.allocate()
    unsafe Processor.loadRootRegister(root.rawValue)
    try KernelSpace.start()
    FrameAllocator.free(root)
  }

  /// Starts all processors but the first, which has started the kernel's address space.
  public func startProcessors() throws {
    for number in 1..<processorCount {
      try asProcessor(number) {
        try ActiveSpace.claimProcessor()
        ActiveSpace.start()
      }
    }
  }

  /// The MMUs of the processors.
  ///
  /// They are attached at the first access, before or after the first tables exist.
  public var mmu: SimulatedMMU {
    if let attachedMMU { return attachedMMU }
    let mmu = SimulatedMMU(frameCount: frameCount, processorCount: processorCount)
    attachedMMU = mmu
    return mmu
  }

  /// The memory of the machine, and the metadata of its frames outside it, for tests that put all
  /// of it back.
  package var memory: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: arena.memory, count: frameCount * 4096)
  }
  package var frameMetadata: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: arena.records, count: arena.recordByteCount)
  }

  /// Sets the features that CPUID reports on machines created from now on, and resets registers.
  public static func setFeatures(
    physicalAddressWidth: Int = 40, hasFiveLevels: Bool = false, hasOneGiBPages: Bool = true,
    hasContextIdentifiers: Bool = false, hasContextInvalidation: Bool = false
  ) {
    simulated_set_features(
      simulated_features(
        physical_address_width: UInt32(physicalAddressWidth), has_five_levels: hasFiveLevels,
        has_one_gib_pages: hasOneGiBPages, has_context_identifiers: hasContextIdentifiers,
        has_context_invalidation: hasContextInvalidation))
    simulated_reset_registers()
  }

  /// Runs `body` on all processors concurrently and waits until all have finished.
  public func onEveryProcessor(_ body: @escaping @Sendable (_ processor: Int) -> Void) {
    onProcessors(Array(0..<processorCount), body)
  }

  /// Runs `body` on the processors with `numbers` concurrently and waits until all have finished.
  public func onProcessors(
    _ numbers: [Int], _ body: @escaping @Sendable (_ processor: Int) -> Void
  ) {
    let threads = numbers.map { ProcessorThread($0, body) }
    for thread in threads { thread.join() }
  }

  /// Makes the `ordinal`-th allocation from now on fail; 0 makes none fail.
  public func failAllocation(_ ordinal: Int) { simulated_fail_allocation(UInt64(ordinal)) }

  /// Whether an allocation has failed because of `failAllocation(_:)`.
  public var hasFailedAllocation: Bool { simulated_failed_allocations() != 0 }

  /// Enables the poisoning of freed frames, and poisons the frames that are already free.
  public func poisonFreedFrames() {
    simulated_set_frame_poisoning(true)
    for index in 0..<frameCount {
      let slot = FrameTable.slot(number: UInt64(index))
      if slot.count == ReferenceCount.free { FramePoison.apply(to: slot) }
    }
  }

  /// Descriptions of the current violations in slots, allocator, MMUs and pool, empty if there are
  /// none.
  public var violations: [String] {
    var found: [String] = []
    FrameTable.checkInvariants { found.append("\($0) (frame \($1.rawValue >> 12))") }
    FrameAllocator.checkInvariants { found.append("\($0)") }
    if !simulated_current_processor().pointee.interrupts_enabled {
      found.append("interrupts are still disabled after the operation")
    }
    found += attachedMMU?.violations ?? []
    found += pool?.problems ?? []
    return found
  }
}

/// The memory of a simulated machine, and the frame metadata outside it.
///
/// The memory is filled with a pattern, to detect memory that should be zeroed but is not, unless
/// there is too much of it.
private final class Arena {
  let memory: UnsafeMutableRawPointer
  let records: UnsafeMutableRawPointer
  let recordByteCount: Int
  /// The number of bytes of memory that were reserved rather than allocated.
  private let reservedByteCount: Int

  /// Allocates the memory and makes it the direct map of physical address zero.
  init(memoryByteCount: Int, recordByteCount: Int, isFilled: Bool = true) {
    reservedByteCount = isFilled ? 0 : memoryByteCount
    self.recordByteCount = recordByteCount
    if isFilled {
      memory = .allocate(byteCount: memoryByteCount, alignment: 1 << 21)
      memset(memory, 0xa5, memoryByteCount)
    } else {
      memory = Self.reserve(memoryByteCount)
    }
    records = .allocate(byteCount: recordByteCount, alignment: 4096)
    Self.stopSimulatedFaults()
    unsafe PhysicalMemory.setDirectMap(at: UInt(bitPattern: memory))
  }

  deinit {
    Self.stopSimulatedFaults()
    if reservedByteCount > 0 { munmap(memory, reservedByteCount) } else { memory.deallocate() }
    records.deallocate()
  }

  /// Reserves memory of the host, whose pages exist once they are accessed.
  private static func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
    // A machine without memory has an arena nevertheless.
    let result = mmap(
      nil, max(1, byteCount), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      -1, 0)
    guard let result, result != MAP_FAILED else { fatalError("the host has no memory") }
    return result
  }

  private static func stopSimulatedFaults() {
    simulated_fail_allocation(0)
    simulated_set_frame_poisoning(false)
  }
}
