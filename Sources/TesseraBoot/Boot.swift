internal import TesseraFrames
internal import TesseraHardware
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

  /// A Boolean value indicating whether Tessera has been started.
  @inline(__always)
  public static var isStarted: Bool {
    // SAFETY: constant once the kernel runs.
    unsafe lastReport != nil
  }

  /// What the start has done, or nil before it.
  public static var report: BootReport? {
    // SAFETY: constant once the kernel runs.
    unsafe lastReport
  }

  /// Takes over the machine's memory and the kernel half of the address space.
  ///
  /// Turns on no-execute pages, write protection in the kernel and global pages, and loads IA32_PAT
  /// as `CachePolicy` numbers memory types. Call it once, on one processor, with interrupts off,
  /// when the code, the stack, the GDT, the IDT and the stacks of exceptions are at addresses that
  /// stay mapped.
  public static func start<Regions>(
    _ configuration: BootConfiguration<Regions>
  ) throws(BootError) -> BootReport {
    if isStarted { throw .alreadyStarted }
    let count = configuration.processorCount
    guard 1 <= count && count <= 64 else { throw .invalidProcessorCount }
    let features = ProcessorFeatures()
    let report =
      switch configuration.directMap {
      case .loader(let directMap): try start(configuration, on: directMap, features)
      case .build(let plan): try start(configuration, building: plan, features)
      }
    // SAFETY: nothing else runs.
    unsafe lastReport = report
    return report
  }

  /// Turns on the processor features that Tessera relies on, on a processor other than the one that
  /// called `start`. It runs on a root that has the kernel half. Traps before `start`.
  public static func startProcessor() {
    require(isStarted, "a further processor was started before Tessera")
    ProcessorSetup.run()
  }

  /// Forgets that Tessera was started, so that a test can start it again.
  package static func reset() {
    // SAFETY: nothing else runs.
    unsafe lastReport = nil
  }
}
