public import TesseraHardware
internal import TesseraSpaces

/// A page fault: the access that failed, and why (Intel SDM Vol. 3A, "Page-Fault Exceptions").
public struct PageFault: Equatable, Sendable {
  /// The address of the access, from CR2.
  public let address: VirtualAddress
  /// The error code that the processor pushed.
  public let errorCode: PageFaultErrorCode
  /// The RFLAGS that the processor pushed.
  private let flags: UInt64

  /// A fault at `address`, the value of CR2, with what the processor pushed: `errorCode` and
  /// RFLAGS, `flags`. With SMAP they tell whether the kernel was allowed to use user memory; if
  /// they are not given, it was.
  public init(
    at address: VirtualAddress, errorCode: UInt64, flags: UInt64 = PageFault.alignmentCheck
  ) {
    self.address = address
    self.errorCode = PageFaultErrorCode(rawValue: errorCode)
    self.flags = flags
  }

  /// What the instruction did.
  public var access: MemoryAccess {
    if errorCode.has(PageFaultErrorCode.instructionFetch) { return .execute }
    return isWrite ? .write : .read
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

  /// Whether the kernel did to user memory what SMAP or SMEP forbid, so that no rights of the page
  /// would have helped: it executed it, or used it without `Processor.withUserAccess`.
  public var isForbiddenToKernel: Bool {
    if isUser { return false }
    if access == .execute { return true }
    return Processor.controlRegister4.contains(.supervisorAccessPrevention)
      && flags & Self.alignmentCheck == 0
  }

  /// RFLAGS.AC, which with SMAP lets the kernel use user memory.
  public static var alignmentCheck: UInt64 { 1 << 18 }

  /// Where the kernel continues after the fault, if it is one of its own at `instruction`, the
  /// pushed RIP, while a reader or a writer of user memory copies; nil if it is another.
  ///
  /// The handler stores it as the RIP to return to. The copy then resolves the page, or ends.
  public func recovery(at instruction: UInt64) -> UInt64? {
    guard !isUser, address < VmSpace.end else { return nil }
    return Processor.userCopyRecovery(of: instruction)
  }
}
