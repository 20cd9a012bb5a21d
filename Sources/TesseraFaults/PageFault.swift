public import TesseraHardware

/// A page fault: which access the processor refused, and why.
///
/// Intel SDM Vol. 3A, "Page-Fault Exceptions".
public struct PageFault: Equatable, Sendable {
  /// What CR2 held: the address that was to be accessed.
  public let address: VirtualAddress
  /// The error code on the stack.
  public let errorCode: UInt64

  public init(at address: VirtualAddress, errorCode: UInt64) {
    self.address = address
    self.errorCode = errorCode
  }

  /// Whether the page is mapped, and forbids the access; otherwise it is not mapped.
  ///
  /// Some emulators leave the bit out when an entry has a reserved bit set, so that counts too.
  public var isProtectionViolation: Bool { errorCode & 1 != 0 || hasReservedBit }
  public var isWrite: Bool { errorCode & 2 != 0 }
  /// Whether a program made the access.
  public var isUser: Bool { errorCode & 4 != 0 }
  /// Whether an entry on the way has a bit set that must be zero.
  public var hasReservedBit: Bool { errorCode & 8 != 0 }
  public var isInstructionFetch: Bool { errorCode & 16 != 0 }
}

/// Answers the page faults of an address space: does what makes the access succeed when it is tried
/// again, and says whether it did.
///
/// Gets the fault's address and error code, and the number that the kernel gave with the handler,
/// such as the address of its record of the program. A C function, because it captures nothing and
/// so takes no memory to keep. Called on the processor that faulted, with no cursor of the space
/// open there.
public typealias PageFaultHandler =
  @convention(c) (_ address: UInt64, _ errorCode: UInt64, _ context: UInt) -> Bool
