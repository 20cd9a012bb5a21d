internal import CBoot
internal import DemoPlatform
internal import TesseraHardware

/// Crashes on request, so that a person or a test can see what a crash leaves.
///
/// The request is a word such as `crash=divide` on the kernel's command line.
enum DeliberateCrash {
  /// Ends the kernel in the way that `commandLine` names; returns if it names none.
  static func perform(_ commandLine: CommandLine) {
    if commandLine.has("crash=divide") { crash_divide() }
    if commandLine.has("crash=page-fault") { crash_read(0xffff_a000_0000_0abc) }
    if commandLine.has("crash=not-canonical") { crash_read(0x4000_0000_0000_0000) }
    if commandLine.has("crash=write-text") { crash_write(KernelImage.text.lowerBound) }
    if commandLine.has("crash=execute-data") { crash_execute(KernelImage.variables.lowerBound) }
    if commandLine.has("crash=stack-overflow") { _ = descend(1) }
    if commandLine.has("crash=floating-point") { crash_floating_point() }
    if commandLine.has("crash=selector") { crash_selector() }
    if commandLine.has("crash=interrupt") { crash_interrupt() }
    if commandLine.has("crash=triple-fault") { crash_triple_fault() }
    if commandLine.has("crash=panic") { panic("a panic was asked for", PhysicalAddress(0x1000)) }
    if commandLine.has("crash=trap") { trap(Processor.current) }
    if commandLine.has("crash=failure") { ExitStatus.failure.exit() }
    if commandLine.has("crash=refusal") { ExitStatus.refused.exit() }
  }

  /// Calls itself for ever, in a way that the compiler cannot turn into a loop.
  @inline(never)
  private static func descend(_ depth: UInt64) -> UInt64 {
    guard depth > 0 else { return 0 }
    return descend(depth | Processor.timestamp) &+ Processor.timestamp
  }

  /// Fails one of the checks that the Swift compiler adds.
  @inline(never)
  private static func trap(_ zero: Int) {
    precondition(zero != 0, "a failed check was asked for")
  }
}
