public import TesseraHardware

/// Accesses of the kernel to user pages, which SMAP and SMEP forbid otherwise.
///
/// Intel SDM Vol. 3A, "Access Rights".
public enum UserAccess {
  /// Whether SMAP forbids the kernel to read and write user pages.
  public static var isPrevented: Bool {
    Processor.controlRegister4.contains(.supervisorAccessPrevention)
  }

  /// Whether SMEP forbids the kernel to execute user pages.
  public static var isExecutionPrevented: Bool {
    Processor.controlRegister4.contains(.supervisorExecutionPrevention)
  }

  /// Returns 8 bytes of a user page, or nil if reading them faults.
  public static func read(_ address: UInt64) -> UInt64? {
    Processor.withUserAccess { MemoryProbe.read(address) }
  }

  /// Writes 8 bytes to a user page. Returns false if that faults. Like `MemoryProbe.write`.
  @unsafe public static func write(_ value: UInt64, to address: UInt64) -> Bool {
    // SAFETY: the caller makes the promise of `MemoryProbe.write`.
    Processor.withUserAccess { unsafe MemoryProbe.write(value, to: address) }
  }

  /// Allows or forbids the kernel to execute user pages, if the processor has SMEP.
  ///
  /// The caller promises to forbid it again. Flushes the TLB.
  @unsafe public static func setExecution(allowed: Bool, _ features: ProcessorFeatures) {
    guard features.hasSupervisorExecutionPrevention else { return }
    let old = Processor.controlRegister4
    // SAFETY: the kernel's own code is not on user pages.
    unsafe Processor.loadControlRegister4(
      allowed
        ? old.subtracting(.supervisorExecutionPrevention)
        : old.union(.supervisorExecutionPrevention))
  }
}
