internal import CBoot
internal import TesseraHardware

/// What Tessera asks of the kernel around it: stop, because a rule was broken.
@c(tessera_host_panic) @used
public func hostPanic(_ message: UnsafePointer<CChar>, _ length: Int) -> Never {
  // SAFETY: the bytes are there for as long as the caller waits, which is for ever.
  unsafe CrashReport.leave(message: message, length: length, framePointer: boot_frame_pointer())
}

/// What Tessera asks of the kernel around it: which processor this is. There is one.
@c(tessera_host_processor_id) @used
public func hostProcessorID() -> UInt32 { 0 }

/// What the Swift standard library writes the message of a failed check with.
@c(putchar) @used
public func putCharacter(_ character: CInt) -> CInt {
  var console = Console()
  console.write(byte: UInt8(truncatingIfNeeded: character))
  return character
}
