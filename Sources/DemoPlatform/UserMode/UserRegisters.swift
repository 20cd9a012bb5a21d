internal import CBoot
internal import TesseraHardware

/// The registers of a user program that does not run.
public struct UserRegisters {
  var frame = boot_interrupt_frame()

  /// The registers of a program that begins at `instructionPointer`: all others are zero, but for
  /// the stack pointer and the first two arguments of a C function.
  public init(
    instructionPointer: UInt64, stackPointer: UInt64, _ first: UInt64 = 0, _ second: UInt64 = 0
  ) {
    frame.rip = instructionPointer
    frame.rsp = stackPointer
    frame.rdi = first
    frame.rsi = second
  }

  /// The number and the arguments of a system call.
  public var systemCall: (number: UInt64, first: UInt64, second: UInt64, third: UInt64) {
    (frame.rax, frame.rdi, frame.rsi, frame.rdx)
  }

  /// The result of a system call, which the program finds in RAX.
  public var result: UInt64 {
    get { frame.rax }
    set { frame.rax = newValue }
  }

  /// The address of the instruction that is executed next.
  public var instructionPointer: UInt64 { frame.rip }
}

extension UserRegisters {
  /// The flags that a program may set: those of arithmetic, TF, DF, RF, AC and ID.
  ///
  /// Intel SDM Vol. 1, "EFLAGS Register".
  private static var permittedFlags: UInt64 { 0x25_0dd5 }

  /// Bit 1, which is always set, and IF: a program cannot turn interrupts off.
  private static var constantFlags: UInt64 { 0x202 }

  /// Puts in order what IRETQ would fault on in the kernel, or must not load: selectors and flags.
  mutating func restrict() {
    frame.cs = UInt64(USER_CODE_SELECTOR)
    frame.ss = UInt64(USER_DATA_SELECTOR)
    frame.rflags = frame.rflags & Self.permittedFlags | Self.constantFlags
  }
}

extension boot_interrupt_frame {
  /// Whether a program was interrupted.
  var isProgram: Bool { cs & 3 == 3 }

  /// Whether IRETQ can go on at the instruction: it faults, in the kernel, if the address is not
  /// canonical. No program has memory in the upper half.
  var canContinue: Bool { rip < PagingMode.current.lowerHalfEnd.rawValue }
}
