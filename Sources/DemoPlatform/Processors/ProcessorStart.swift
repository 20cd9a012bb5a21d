internal import CBoot
internal import TesseraBoot
internal import TesseraHardware
internal import TesseraSpaces

/// The start of one further processor.
///
/// Intel SDM Vol. 3A, "Typical AP Initialization Sequence": an INIT, ten milliseconds, and up to
/// two startup interrupts.
struct ProcessorStart {
  private let record: ProcessorRecord
  private let trampoline: Trampoline

  init(_ record: ProcessorRecord, _ trampoline: Trampoline) {
    self.record = record
    self.trampoline = trampoline
  }

  /// Starts the processor, which has an APIC id, and waits until it runs, or for a second. The
  /// record's state says what came of it.
  func perform() {
    guard let stack = makeStacks() else { return }
    let id = UInt32(truncatingIfNeeded: record[.apicID])
    guard id <= LocalAPIC.greatestID else { return }
    trampoline.offer(stack: stack, to: record.number)
    LocalAPIC.send(.initialize, to: id)
    Clock.wait(microseconds: 10_000)
    LocalAPIC.send(.startup(page: trampoline.pageNumber), to: id)
    if !wait(milliseconds: 1, until: { trampoline.isTaken }) {
      LocalAPIC.send(.startup(page: trampoline.pageNumber), to: id)
    }
    if wait(milliseconds: 1000, until: { record.state != .starting }) { return }
    // It waits for a startup interrupt again, which does not come.
    LocalAPIC.send(.initialize, to: id)
    trampoline.withdraw()
  }

  /// Allocates the processor's stacks. Returns the top of the one that it starts on; nil if there
  /// is no memory.
  private func makeStacks() -> UInt64? {
    do throws(TesseraError) {
      let stacks = try ProcessorStacks()
      let top = stacks.main.top.rawValue
      record.keep(stacks)
      record.state = .starting
      return top
    } catch { return nil }
  }

  private func wait(milliseconds: UInt64, until isDone: () -> Bool) -> Bool {
    let deadline = Deadline(milliseconds: milliseconds)
    while !isDone() {
      if deadline.hasPassed { return false }
      Processor.pause()
    }
    return true
  }
}

/// The entry of a further processor from the trampoline, on its own stack and with interrupts off.
@c(boot_further_processor) @used
func startFurtherProcessor(_ number: UInt64) -> Never {
  let record = ProcessorRecord(Int(truncatingIfNeeded: number))
  DescriptorTables.install(for: record, record.exceptionStacks)
  Platform.enableProtections(ProcessorFeatures())
  LocalAPIC.enable()
  do throws(TesseraError) {
    try Boot.startProcessor()
  } catch {
    record.state = .refused
    Processor.halt()
  }
  record.state = .started
  ProcessorTask.serve(record)
}
