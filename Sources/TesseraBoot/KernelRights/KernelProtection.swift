public import TesseraHardware

/// What the start takes away from the pages of the kernel half that the kernel was loaded with.
public struct KernelProtection: Sendable {
  /// If there is one, it alone stays executable.
  public var text: KernelText?
  /// Whether the page at virtual address zero is unmapped, so that a null pointer faults.
  public var unmapsPageZero = false

  public init() {}
}

/// The kernel's code and constants, at the addresses where it runs. Both are 4 KiB aligned, and
/// contiguous in physical memory.
public struct KernelText: Sendable {
  public let code: Range<VirtualAddress>
  /// May be empty.
  public let constants: Range<VirtualAddress>

  public init(code: Range<VirtualAddress>, constants: Range<VirtualAddress>) {
    self.code = code
    self.constants = constants
  }
}
