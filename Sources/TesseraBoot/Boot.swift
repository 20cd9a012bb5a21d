internal import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The start of Tessera.
///
/// A start first checks everything that can be wrong: the configuration, the processor, that the
/// page tables map memory where the kernel says, and that what the processor is using stays mapped.
/// Then it turns on the processor features that the page tables rely on, makes a slot for every
/// frame, and moves the kernel onto a root table of its own. If it fails, the kernel still runs on
/// the tables that it was loaded with, no memory is in use, and it may start again; processor
/// features may have been turned on.
public enum Boot {
  /// Access: written by `start` and `reset`, constant afterwards.
  nonisolated(unsafe) private static var lastReport: BootReport?
  /// Whether there is a report: a word that is read at once. Access: as for `lastReport`.
  nonisolated(unsafe) private static var hasReport = false

  /// A Boolean value indicating whether Tessera has been started.
  @inline(__always)
  public static var isStarted: Bool {
    // SAFETY: constant once the kernel runs.
    unsafe hasReport
  }

  /// What the start has done, or nil before it.
  public static var report: BootReport? {
    // SAFETY: constant once the kernel runs.
    unsafe lastReport
  }

  /// The address of one of Tessera's variables, in the kernel's .bss or .data section.
  static var variableAddress: UInt64 {
    // SAFETY: the address is taken, and nothing accessed.
    unsafe withUnsafePointer(to: &lastReport) { UInt64(UInt(bitPattern: $0)) }
  }

  /// Takes over the machine's memory and the kernel half of the address space.
  ///
  /// Turns on no-execute pages, write protection in the kernel and global pages, and loads IA32_PAT
  /// as `CachePolicy` numbers memory types. Call it once, on one processor, with interrupts off,
  /// when the code, the stack, the GDT, the IDT and the stacks of exceptions are at addresses that
  /// stay mapped.
  ///
  /// - Throws: `boot` with the reason.
  @discardableResult
  public static func start<Regions>(
    _ configuration: BootConfiguration<Regions>
  ) throws(TesseraError) -> BootReport {
    do throws(BootError) {
      let report = try startOnce(configuration)
      // SAFETY: nothing else runs.
      unsafe (lastReport, hasReport) = (report, true)
      return report
    } catch { throw .boot(error) }
  }

  private static func startOnce<Regions>(
    _ configuration: BootConfiguration<Regions>
  ) throws(BootError) -> BootReport {
    if isStarted { throw .alreadyStarted }
    let count = configuration.processorCount
    guard 1 <= count && count <= Processor.limit else { throw .invalidProcessorCount }
    guard Processor.current < count else { throw .processorNumberOutOfBounds }
    let features = ProcessorFeatures()
    ProcessContexts.choose(features, isAllowed: configuration.usesProcessContexts)
    return switch configuration.directMap {
    case .loader(let directMap): try start(configuration, on: directMap, features)
    case .build(let plan): try start(configuration, building: plan, features)
    }
  }

  /// Makes Tessera known to a processor other than the one that called `start`: turns on the
  /// features that Tessera relies on, and loads the kernel's own root. Traps before `start`.
  ///
  /// Call it once on each processor, with interrupts off, before that processor does anything else
  /// with Tessera. It may run on any root. As for `start`, the code, the stack, the GDT and the IDT
  /// have to be at addresses of the kernel half.
  ///
  /// - Throws: `boot`, with `processorNumberOutOfBounds`, `processorNumberInUse`, an error that
  ///   names the feature in which the processor differs from the one that called `start`,
  ///   `codeNotKept`, `stackNotKept`, `segmentTableNotKept`, `interruptTableNotKept` or
  ///   `codeNotExecutable`. Nothing has changed then.
  public static func startProcessor() throws(TesseraError) {
    require(isStarted, "a further processor was started before Tessera")
    do throws(BootError) { try startThisProcessor() } catch { throw .boot(error) }
  }

  private static func startThisProcessor() throws(BootError) {
    let features = ProcessorFeatures()
    try ActiveSpace.checkProcessor()
    try ProcessorSetup.check(features)
    let kept = KeptAddresses(upperHalfAndBelow: AddressSpaceLayout.userStart)
    let tables = RunningTables(base: UInt64(PhysicalMemory.directMapBase))
    var processor = RunningProcessor(tables, keeping: kept, linear: kept)
    try processor.check()
    // The processor's own tables need not map the direct map: then nothing is found.
    var kernelTables = RunningTables(
      base: UInt64(PhysicalMemory.directMapBase), root: KernelSpace.rootAddress)
    let code = kernelTables.page(at: VirtualAddress(Processor.instructionPointer))
    guard code?.isExecutable != false else { throw .codeNotExecutable }
    try ActiveSpace.claimProcessor()
    FrameAllocator.openCache()
    ProcessorSetup.enableProtections(features)
    ActiveSpace.start()
    ProcessorSetup.installMemoryTypes(features)
  }

  /// Makes Tessera forget the calling processor, which is about to halt: it holds no reference to a
  /// root, keeps no free frame in its cache, and is asked for no flush. Traps if it is not started.
  ///
  /// Call it with interrupts off, with no cursor open, and not in an interrupt handler. The
  /// processor runs on the kernel's root then, and may use what that maps permanently, frames, and
  /// functions that only read; its TLB is not kept coherent. It may call `startProcessor`
  /// afterwards, or another processor with its number may.
  public static func stopProcessor() {
    require(isStarted && ActiveSpace.isStartedHere, "a processor was stopped that was not started")
    FrameAllocator.closeCache()
    ActiveSpace.stop()
  }

  /// Forgets that Tessera was started, so that a test can start it again.
  package static func reset() {
    // SAFETY: nothing else runs.
    unsafe (lastReport, hasReport) = (nil, false)
  }
}
