internal import CBoot
internal import TesseraHardware

/// Called by the assembly for each exception and interrupt, with interrupts off.
///
/// Returns only if a probe has faulted; everything else is a crash.
@c(boot_handle_interrupt) @used
func handleInterrupt(_ frame: UnsafeMutablePointer<boot_interrupt_frame>) {
  // CR2 first: a fault in the handler would overwrite it.
  let faultAddress = Processor.faultAddress
  // SAFETY: the assembly passes the frame that it has just pushed, and has no other reference.
  if unsafe MemoryProbe.recover(&frame.pointee, faultAddress: faultAddress) { return }
  // SAFETY: the frame is still there.
  unsafe CrashReport.leave(frame.pointee, faultAddress: faultAddress)
}
