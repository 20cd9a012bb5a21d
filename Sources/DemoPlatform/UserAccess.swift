internal import CBoot
public import TesseraHardware

/// Lets the kernel touch the pages of programs, which the processor otherwise forbids (SMAP, SMEP),
/// so that it does so only where it means to.
///
/// Intel SDM Vol. 3A, "Access Rights".
public enum UserAccess {
  private static var executionPrevention: UInt64 { 1 << 20 }
  private static var accessPrevention: UInt64 { 1 << 21 }

  /// Whether the processor keeps the kernel from reading and writing programs' pages by mistake.
  public static var isPrevented: Bool { Processor.controlRegister4 & accessPrevention != 0 }

  /// Whether the processor keeps the kernel from executing programs' pages.
  public static var isExecutionPrevented: Bool {
    Processor.controlRegister4 & executionPrevention != 0
  }

  /// Reads 8 bytes of a program's page, or nil if that faults.
  public static func read(_ address: UInt64) -> UInt64? {
    let isPrevented = isPrevented
    if isPrevented { boot_set_user_access(true) }
    let value = MemoryProbe.read(address)
    if isPrevented { boot_set_user_access(false) }
    return value
  }

  /// Writes 8 bytes of a program's page; false if that faults. As `MemoryProbe.write`.
  @unsafe public static func write(_ value: UInt64, to address: UInt64) -> Bool {
    let isPrevented = isPrevented
    if isPrevented { boot_set_user_access(true) }
    let isWritten = unsafe MemoryProbe.write(value, to: address)
    if isPrevented { boot_set_user_access(false) }
    return isWritten
  }

  /// Allows or forbids the kernel to execute programs' pages, if the processor can forbid it.
  ///
  /// The caller promises to forbid it again. Removes all cached translations.
  @unsafe public static func setExecution(allowed: Bool, _ features: ProcessorFeatures) {
    guard features.hasSupervisorExecutionPrevention else { return }
    let others = Processor.controlRegister4 & ~executionPrevention
    // SAFETY: nothing the kernel itself executes is a user page.
    unsafe Processor.loadControlRegister4(allowed ? others : others | executionPrevention)
  }
}
