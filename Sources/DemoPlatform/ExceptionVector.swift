/// The names of the exceptions (Intel SDM Vol. 3A, "Exception and Interrupt Reference"; for 28
/// to 30 AMD64 Architecture Programmer's Manual Vol. 2, "Vectors").
enum ExceptionVector {
  static let nonMaskableInterrupt: UInt64 = 2
  static let invalidOpcode: UInt64 = 6
  static let deviceNotAvailable: UInt64 = 7
  static let doubleFault: UInt64 = 8
  static let generalProtection: UInt64 = 13
  static let pageFault: UInt64 = 14
  static let machineCheck: UInt64 = 18
  static let controlProtection: UInt64 = 21

  /// The manual's name and mnemonic.
  static func name(of vector: UInt64) -> StaticString {
    switch vector {
    case 0: "divide error (#DE)"
    case 1: "debug exception (#DB)"
    case 2: "non-maskable interrupt (NMI)"
    case 3: "breakpoint (#BP)"
    case 4: "overflow (#OF)"
    case 5: "BOUND range exceeded (#BR)"
    case 6: "invalid opcode (#UD)"
    case 7: "device not available (#NM)"
    case 8: "double fault (#DF)"
    case 9: "coprocessor segment overrun"
    case 10: "invalid TSS (#TS)"
    case 11: "segment not present (#NP)"
    case 12: "stack-segment fault (#SS)"
    case 13: "general protection (#GP)"
    case 14: "page fault (#PF)"
    case 16: "x87 floating-point error (#MF)"
    case 17: "alignment check (#AC)"
    case 18: "machine check (#MC)"
    case 19: "SIMD floating-point exception (#XM)"
    case 20: "virtualization exception (#VE)"
    case 21: "control protection exception (#CP)"
    case 28: "hypervisor injection exception (#HV)"
    case 29: "VMM communication exception (#VC)"
    case 30: "security exception (#SX)"
    case 0..<32: "reserved exception"
    default: "unhandled interrupt"
    }
  }

  /// Whether the error code is the selector of a descriptor.
  static func namesSelector(_ vector: UInt64) -> Bool { (10...13).contains(vector) }
}
