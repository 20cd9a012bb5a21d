internal import CBoot
internal import DemoPlatform
internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// Crashes on request, to demonstrate the crash report.
///
/// The request is an option such as `crash=divide` on the kernel's command line.
enum DeliberateCrash {
  /// Ends the kernel in the way that `commandLine` names; returns if it names none.
  static func perform(_ commandLine: BootText<MappedBootMemory>) {
    if commandLine.contains(option: "crash=divide") { crash_divide() }
    if commandLine.contains(option: "crash=page-fault") { crash_read(0xffff_a000_0000_0abc) }
    if commandLine.contains(option: "crash=null") { crash_read(0) }
    if commandLine.contains(option: "crash=not-canonical") { crash_read(0x4000_0000_0000_0000) }
    if commandLine.contains(option: "crash=write-text") { crash_write(KernelImage.text.lowerBound) }
    if commandLine.contains(option: "crash=execute-data") {
      crash_execute(KernelImage.variables.lowerBound)
    }
    if commandLine.contains(option: "crash=stack-overflow") { _ = descend(1) }
    if commandLine.contains(option: "crash=floating-point") { crash_floating_point() }
    if commandLine.contains(option: "crash=selector") { crash_selector() }
    if commandLine.contains(option: "crash=interrupt") { crash_interrupt() }
    if commandLine.contains(option: "crash=exchanged") { crash_exchanged() }
    if commandLine.contains(option: "crash=triple-fault") { crash_triple_fault() }
    if commandLine.contains(option: "crash=panic") {
      panic("panic requested on the command line", PhysicalAddress(0x1000))
    }
    if commandLine.contains(option: "crash=processor") { crashElsewhere() }
    if commandLine.contains(option: "crash=processor-stack") { overflowElsewhere() }
    if commandLine.contains(option: "crash=work") { crashDuringWork() }
    if commandLine.contains(option: "crash=busy") { stayInTessera() }
    if commandLine.contains(option: "crash=hang") { hang() }
    if commandLine.contains(option: "crash=trap") { trap(Processor.current) }
    if commandLine.contains(option: "crash=failure") { ExitStatus.failure.exit() }
    if commandLine.contains(option: "crash=cannot-start") { ExitStatus.cannotStart.exit() }
  }

  /// Lets processor 1 read an address that is not mapped.
  private static func crashElsewhere() {
    guard Processors.count > 1 else { return }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.run(on: 1, &none) { _ in crash_read(0xffff_a000_0000_0abc) }
  }

  /// Lets processor 1 use up its stack.
  private static func overflowElsewhere() {
    guard Processors.count > 1 else { return }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.run(on: 1, &none) { _ in _ = DeliberateCrash.descend(1) }
  }

  /// Lets all processors map kernel memory, and the last one read an address that is not mapped.
  private static func crashDuringWork() {
    guard Processors.count > 1 else { return }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in
      for round in 0..<10_000 {
        if round == 100 && Processor.current == Processors.count - 1 {
          crash_read(0xffff_a000_0000_0abc)
        }
        var segment = try? Segment(allocating: 1) { _ in PlainMemory() }
        if segment != nil { _ = try? KernelMapping(&segment) }
      }
    }
  }

  /// Lets processor 1 run for ever, and waits for it.
  private static func hang() {
    guard Processors.count > 1 else { return }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.run(on: 1, &none, seconds: 2) { _ in
      while true { Processor.pause() }
    }
  }

  /// Lets processor 1 stay in Tessera for ever, and waits for it.
  private static func stayInTessera() {
    guard Processors.count > 1 else { return }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.run(on: 1, &none, seconds: 2) { _ in
      Preemption.disabled { while true { Processor.pause() } }
    }
  }

  /// Recurses without end, in a way that the compiler cannot turn into a loop.
  @inline(never)
  private static func descend(_ depth: UInt64) -> UInt64 {
    guard depth > 0 else { return 0 }
    return descend(depth | Processor.timestamp) &+ Processor.timestamp
  }

  /// Fails one of the checks that the Swift compiler adds.
  @inline(never)
  private static func trap(_ zero: Int) {
    precondition(zero != 0, "failed check requested on the command line")
  }
}
