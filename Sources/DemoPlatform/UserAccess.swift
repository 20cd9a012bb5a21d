internal import CBoot
public import TesseraHardware

/// Accesses of the kernel to user pages, which SMAP and SMEP forbid otherwise.
///
/// Intel SDM Vol. 3A, "Access Rights".
public enum UserAccess {
  private static var executionPrevention: UInt64 { 1 << 20 }
  private static var accessPrevention: UInt64 { 1 << 21 }

  /// Whether SMAP forbids the kernel to read and write user pages.
  public static var isPrevented: Bool { Processor.controlRegister4 & accessPrevention != 0 }

  /// Whether SMEP forbids the kernel to execute user pages.
  public static var isExecutionPrevented: Bool {
    Processor.controlRegister4 & executionPrevention != 0
  }

  /// Returns 8 bytes of a user page, or nil if reading them faults.
  public static func read(_ address: UInt64) -> UInt64? {
    let isPrevented = isPrevented
    if isPrevented { boot_set_user_access(true) }
    let value = MemoryProbe.read(address)
    if isPrevented { boot_set_user_access(false) }
    return value
  }

  /// Writes 8 bytes to a user page. Returns false if that faults. Like `MemoryProbe.write`.
  @unsafe public static func write(_ value: UInt64, to address: UInt64) -> Bool {
    let isPrevented = isPrevented
    if isPrevented { boot_set_user_access(true) }
    let isWritten = unsafe MemoryProbe.write(value, to: address)
    if isPrevented { boot_set_user_access(false) }
    return isWritten
  }

  /// Allows or forbids the kernel to execute user pages, if the processor has SMEP.
  ///
  /// The caller promises to forbid it again. Flushes the TLB.
  @unsafe public static func setExecution(allowed: Bool, _ features: ProcessorFeatures) {
    guard features.hasSupervisorExecutionPrevention else { return }
    let others = Processor.controlRegister4 & ~executionPrevention
    // SAFETY: the kernel's own code is not on user pages.
    unsafe Processor.loadControlRegister4(allowed ? others : others | executionPrevention)
  }
}
