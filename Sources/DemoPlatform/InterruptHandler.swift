internal import CBoot
internal import TesseraFaults
internal import TesseraHardware
internal import TesseraPageTables

/// Called by the assembly for each exception and interrupt, with interrupts off.
///
/// Returns false if the interrupted code goes on: a copy of user memory or a probe has faulted, or
/// another processor asks for something. Returns true if it is a program that will be left, because
/// it calls the kernel or has caused an exception. Everything else is a crash.
@c(boot_handle_interrupt) @used
func handleInterrupt(_ frame: UnsafeMutablePointer<boot_interrupt_frame>) -> Bool {
  // SAFETY: the assembly passes the frame that it has just pushed, and has no other reference.
  let vector = unsafe frame.pointee.vector
  // SAFETY: as above.
  if answer(vector) { return unsafe UserMode.saveIfUnable(toContinue: frame.pointee) }
  // SAFETY: as above.
  if vector == ExceptionVector.nonMaskableInterrupt { unsafe StoppedProcessor.stop(frame.pointee) }

  // CR2 before a fault in the handler would overwrite it.
  let faultAddress = Processor.faultAddress
  // SAFETY: as above.
  if unsafe UserMode.save(frame.pointee, faultAddress: faultAddress) { return true }
  // SAFETY: as above.
  if unsafe recover(&frame.pointee, faultAddress: faultAddress) { return false }
  // SAFETY: as above.
  if unsafe MemoryProbe.recover(&frame.pointee, faultAddress: faultAddress) { return false }
  // SAFETY: the frame is still there.
  unsafe CrashReport.leave(frame.pointee, faultAddress: faultAddress)
}

/// Does what another processor asks for by the interrupt with `vector`. Returns false if it is no
/// such interrupt.
private func answer(_ vector: UInt64) -> Bool {
  switch vector {
  case InterruptVector.tessera: TLBShootdown.serve()
  case InterruptVector.wake: break
  case InterruptVector.spurious: return true
  default: return false
  }
  LocalAPIC.endInterrupt()
  return true
}

/// Continues a copy of user memory that has faulted at `faultAddress`. Returns whether it is one.
private func recover(_ frame: inout boot_interrupt_frame, faultAddress: UInt64) -> Bool {
  guard frame.vector == ExceptionVector.pageFault else { return false }
  let fault = PageFault(
    at: VirtualAddress(faultAddress), errorCode: frame.error_code, flags: frame.rflags)
  guard let next = fault.recovery(at: frame.rip) else { return false }
  frame.rip = next
  return true
}
