internal import CBoot
internal import TesseraHardware

/// What a processor was doing when a crash of another one stopped it.
struct StoppedProcessor {
  private let record: ProcessorRecord

  /// How long a processor has to answer. With interrupts off it answers, too.
  private static var milliseconds: UInt64 { 100 }

  /// Stops the calling processor for ever, if it was interrupted because another one has crashed.
  static func stop(_ frame: boot_interrupt_frame) {
    guard CrashReport.hasBegunElsewhere else { return }
    let record = ProcessorRecord.current
    record[.stoppedInstruction] = frame.rip
    record[.stoppedFramePointer] = frame.rbp
    record[.stoppedFlags] = frame.rflags
    record[.stoppedRoot] = Processor.rootRegister
    record[.isStopped] = 1
    Processor.halt()
  }

  /// Stops all other processors that were started, as far as they answer.
  static func stopOthers() {
    guard Processors.count > 1 else { return }
    ProcessorRecord.forEachOther {
      LocalAPIC.send(.nonMaskable, to: UInt32(truncatingIfNeeded: $0[.apicID]))
    }
    let deadline = Deadline(milliseconds: milliseconds)
    var areStopped = false
    while !areStopped && !deadline.hasPassed {
      areStopped = true
      ProcessorRecord.forEachOther { if $0[.isStopped] == 0 { areStopped = false } }
      Processor.pause()
    }
  }

  /// Writes what each other processor was doing: where it was stopped, and its task.
  static func writeOthers(to sink: inout Console) {
    guard Processors.count > 1 else { return }
    sink.write("other processors\n")
    var console = Console()
    ProcessorRecord.forEachOther { StoppedProcessor(record: $0).write(to: &console) }
  }

  private func write(to sink: inout Console) {
    sink.write("  processor ")
    sink.write(decimal: UInt64(record.number))
    guard record[.isStopped] != 0 else {
      sink.write(" does not answer\n    ")
      Self.writeTask(of: record, to: &sink)
      return sink.writeLine()
    }
    let instruction = record[.stoppedInstruction]
    sink.write(" was at ")
    sink.write(hexadecimal: instruction, digitCount: 16)
    KernelSymbols.write(nameOf: instruction, to: &sink)
    if instruction < PagingMode.current.lowerHalfEnd.rawValue {
      sink.write(", in a user program\n")
    } else if record[.preemptionDepth] != 0 {
      sink.write(", in Tessera with preemption off\n")
    } else {
      sink.write(isInTessera ? ", in Tessera\n" : ", not in Tessera\n")
    }
    sink.write(record[.stoppedFlags] & 0x200 != 0 ? "    interrupts on" : "    interrupts off")
    sink.write(", root ")
    sink.write(hexadecimal: record[.stoppedRoot], digitCount: 16)
    sink.write(", ")
    Self.writeTask(of: record, to: &sink)
    sink.writeLine()
  }

  /// Writes the function that the processor of `record` is to call, without a line feed.
  static func writeTask(of record: ProcessorRecord, to sink: inout Console) {
    let task = record[.task]
    guard task != 0 else {
      let isCaller = ProcessorTask.isCaller(record.number)
      return sink.write(isCaller ? "the task that it has given to all" : "no task")
    }
    sink.write("task ")
    sink.write(hexadecimal: task, digitCount: 16)
    KernelSymbols.write(nameOf: task, to: &sink)
  }

  /// Whether the interrupted code, or what called it, is the library's. Parts of it that were
  /// inlined into the kernel are not recognized.
  private var isInTessera: Bool {
    var isFound = KernelImage.tesseraText.contains(record[.stoppedInstruction])
    Backtrace(from: record[.stoppedFramePointer]).forEachCall {
      if KernelImage.tesseraText.contains($0) { isFound = true }
    }
    return isFound
  }
}
