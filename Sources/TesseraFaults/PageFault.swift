public import TesseraHardware

/// A page fault: the access that failed, and why (Intel SDM Vol. 3A, "Page-Fault Exceptions").
public struct PageFault: Equatable, Sendable {
  /// The address of the access, from CR2.
  public let address: VirtualAddress
  /// The error code that the processor pushed.
  public let errorCode: PageFaultErrorCode

  public init(at address: VirtualAddress, errorCode: UInt64) {
    self.address = address
    self.errorCode = PageFaultErrorCode(rawValue: errorCode)
  }

  /// Whether the page is present and does not allow the access; otherwise it is not present.
  ///
  /// Also true if a reserved bit is set, for which some emulators leave the present bit clear.
  public var isProtectionViolation: Bool {
    errorCode.has(PageFaultErrorCode.present) || hasReservedBit
  }
  public var isWrite: Bool { errorCode.has(PageFaultErrorCode.write) }
  /// Whether the access was made in user mode.
  public var isUser: Bool { errorCode.has(PageFaultErrorCode.user) }
  /// Whether a page-table entry of the walk has a reserved bit set.
  public var hasReservedBit: Bool { errorCode.has(PageFaultErrorCode.reservedBit) }
}
