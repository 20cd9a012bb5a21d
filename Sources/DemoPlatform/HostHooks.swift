internal import CBoot
internal import TesseraHardware

/// Tessera's hook that stops the kernel after a violated rule.
@c(tessera_host_panic) @used
public func hostPanic(_ message: UnsafePointer<CChar>, _ length: Int) -> Never {
  // SAFETY: the caller waits, so the bytes stay.
  unsafe CrashReport.leave(message: message, length: length, framePointer: boot_frame_pointer())
}

/// Tessera's hook that returns the number of the calling processor. There is one.
@c(tessera_host_processor_id) @used
public func hostProcessorID() -> UInt32 { 0 }

/// Prints a character of the message of a failed check, for the Swift standard library.
@c(putchar) @used
public func putCharacter(_ character: CInt) -> CInt {
  var console = Console()
  console.write(byte: UInt8(truncatingIfNeeded: character))
  return character
}
