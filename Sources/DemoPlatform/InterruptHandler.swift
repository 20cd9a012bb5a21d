internal import CBoot
internal import TesseraHardware

/// Called by the assembly for each exception and interrupt, with interrupts off.
///
/// Returns only for a probe that ran into its fault; everything else is a crash so far.
@c(boot_handle_interrupt) @used
func handleInterrupt(_ frame: UnsafeMutablePointer<boot_interrupt_frame>) {
  // CR2 first: a fault in here would overwrite it.
  let faultAddress = Processor.faultAddress
  // SAFETY: the assembly gives the frame it has just pushed, and nobody else refers to it.
  if unsafe MemoryProbe.recover(&frame.pointee, faultAddress: faultAddress) { return }
  // SAFETY: as above.
  unsafe CrashReport.leave(frame.pointee, faultAddress: faultAddress)
}
