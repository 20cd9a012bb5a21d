internal import CBoot
internal import TesseraHardware

/// Tessera's hook that stops the kernel after a violated rule.
@c(tessera_host_panic) @used
public func hostPanic(_ message: UnsafePointer<CChar>, _ length: Int) -> Never {
  // SAFETY: the caller waits, so the bytes stay.
  unsafe CrashReport.leave(message: message, length: length, framePointer: boot_frame_pointer())
}

/// Tessera's hook that returns the number of the calling processor.
@c(tessera_host_processor_id) @used
public func hostProcessorID() -> UInt32 { boot_processor_number() }

/// Tessera's hook that interrupts the processors whose bits are set, and does not wait for them.
@c(tessera_host_interrupt) @used
public func hostInterrupt(_ processors: UInt64, _ first: UInt32) {
  var left = processors
  while left != 0 {
    let number = Int(first) + left.trailingZeroBitCount
    left &= left - 1
    let id = UInt32(truncatingIfNeeded: ProcessorRecord(number)[.apicID])
    LocalAPIC.send(.fixed(vector: InterruptVector.tessera), to: id)
  }
}

/// Tessera's hook that turns preemption off. Each processor has one thread, so this only notes it
/// for crash reports.
@c(tessera_host_preempt_disable) @used
public func hostPreemptDisable() -> UInt64 {
  boot_count_preemption_off()
  return 0
}

/// Tessera's hook that turns preemption on again.
@c(tessera_host_preempt_enable) @used
public func hostPreemptEnable(_ state: UInt64) { boot_count_preemption_on() }

/// Prints a character of the message of a failed check, for the Swift standard library.
@c(putchar) @used
public func putCharacter(_ character: CInt) -> CInt {
  var console = Console()
  console.write(byte: UInt8(truncatingIfNeeded: character))
  return character
}
