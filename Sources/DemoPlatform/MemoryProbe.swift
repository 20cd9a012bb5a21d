internal import CBoot

/// Accesses that report a fault instead of crashing the kernel.
///
/// For crash reports, which must not crash in turn, and for tests that expect a fault.
public enum MemoryProbe {
  /// A fault of a probe.
  public struct Fault {
    /// 13 for a general protection fault, 14 for a page fault.
    public let vector: UInt64
    public let errorCode: UInt64
    /// CR2: the address, if the vector is 14.
    public let address: UInt64
  }

  /// The fault of the calling processor's last probe that failed.
  public static var lastFault: Fault {
    let record = ProcessorRecord.current
    return Fault(
      vector: record[.faultVector], errorCode: record[.faultErrorCode],
      address: record[.faultAddress])
  }

  /// Returns the 8 bytes at the virtual `address`, or nil if reading them faults.
  public static func read(_ address: UInt64) -> UInt64? {
    var value: UInt64 = 0
    // SAFETY: `value` is 8 bytes; a fault at `address` is recovered.
    return unsafe boot_probe_read(address, &value) ? value : nil
  }

  /// Writes 8 bytes to the virtual `address`. Returns false if that faults.
  ///
  /// The caller owns the bytes, if they are writable.
  @unsafe public static func write(_ value: UInt64, to address: UInt64) -> Bool {
    boot_probe_write(address, value)
  }

  /// Calls the virtual `address`. Returns false if executing it faults.
  ///
  /// The caller promises that a return instruction (byte 0xc3) is there, if it is executable.
  @unsafe public static func execute(_ address: UInt64) -> Bool { boot_probe_execute(address) }

  /// Makes an interrupted probe return failure. Returns false if the code was not a probe.
  static func recover(_ frame: inout boot_interrupt_frame, faultAddress: UInt64) -> Bool {
    let isFault =
      frame.vector == ExceptionVector.generalProtection || frame.vector == ExceptionVector.pageFault
    guard isFault else { return false }
    let (vector, errorCode) = (frame.vector, frame.error_code)
    guard resumeAccess(&frame) || resumeExecution(&frame, faultAddress) else { return false }

    let record = ProcessorRecord.current
    record[.faultVector] = vector
    record[.faultErrorCode] = errorCode
    record[.faultAddress] = faultAddress
    return true
  }

  /// A read or a write faults at an instruction that the exception table lists.
  private static func resumeAccess(_ frame: inout boot_interrupt_frame) -> Bool {
    var entry = kernel_extable_start_address()
    while entry < kernel_extable_end_address() {
      if word(at: entry) == frame.rip {
        frame.rip = word(at: entry + 8)
        return true
      }
      entry += 16
    }
    return false
  }

  /// A call faults at the address called, with the probe's return address on top of the stack.
  private static func resumeExecution(
    _ frame: inout boot_interrupt_frame, _ faultAddress: UInt64
  ) -> Bool {
    guard frame.vector == ExceptionVector.pageFault, frame.rip == faultAddress,
      !KernelImage.text.contains(frame.rip), read(frame.rsp) == boot_probe_executed_address()
    else { return false }
    frame.rip = boot_probe_not_executed_address()
    frame.rsp += 8
    return true
  }

  private static func word(at address: UInt64) -> UInt64 {
    // SAFETY: callers stay inside the exception table, whose entries are two aligned words.
    unsafe UnsafePointer<UInt64>(bitPattern: UInt(address)).unsafelyUnwrapped.pointee
  }
}
