internal import CBoot

/// Ring 3, in which the processor executes user programs.
///
/// Intel SDM Vol. 3A, "Privilege Levels" and "Stack Switching in 64-Bit Mode". A program runs on
/// the kernel's stack of the calling processor, so to speak: whatever makes the processor leave
/// ring 3 for longer than an interrupt takes returns from `run`.
public enum UserMode {
  /// Runs the program with these registers in the active space, on the calling processor and with
  /// interrupts on, until it calls the kernel or causes an exception. Returns which, and leaves the
  /// program's registers in `registers`.
  ///
  /// Call it again to let the program go on. Requests of other processors to flush are answered
  /// meanwhile. Neither x87 nor vector registers can be used by programs.
  public static func run(_ registers: inout UserRegisters) -> UserEvent {
    registers.restrict()
    guard registers.frame.canContinue else {
      return .exception(vector: ExceptionVector.generalProtection, errorCode: 0)
    }
    let record = ProcessorRecord.current
    // SAFETY: the registers stay where they are until the program has been left, and are restricted
    // to what a program may have.
    unsafe withUnsafeMutablePointer(to: &registers.frame) {
      record[.programRegisters] = UInt64(UInt(bitPattern: $0))
      unsafe boot_run_program($0)
      record[.programRegisters] = 0
    }
    return registers.event(faultAddress: record[.programFaultAddress])
  }

  /// Saves the registers in `frame` for `run`, if it is of a program that has called the kernel or
  /// caused an exception. Returns whether it has; the program is then left.
  static func save(_ frame: boot_interrupt_frame, faultAddress: UInt64) -> Bool {
    guard frame.isProgram, isCausedByProgram(frame.vector) else { return false }
    let record = ProcessorRecord.current
    let place = UInt(record[.programRegisters])
    // SAFETY: the address is zero, or that of the registers that `run` was given.
    guard let registers = unsafe UnsafeMutablePointer<boot_interrupt_frame>(bitPattern: place)
    else { return false }
    // SAFETY: `run` waits, and its registers are there.
    unsafe registers.pointee = frame
    record[.programFaultAddress] = faultAddress
    return true
  }

  /// Saves the registers in `frame`, which an interrupt has come to, if that was a program that
  /// cannot go on where it was interrupted. Returns whether it was; the program is then left.
  static func saveIfUnable(toContinue frame: boot_interrupt_frame) -> Bool {
    guard frame.isProgram, !frame.canContinue else { return false }
    var faulted = frame
    faulted.vector = ExceptionVector.generalProtection
    faulted.error_code = 0
    return save(faulted, faultAddress: 0)
  }

  /// Whether a program can cause the exception or interrupt with `vector`. An NMI and a machine
  /// check come from outside; a double fault is the kernel's.
  private static func isCausedByProgram(_ vector: UInt64) -> Bool {
    switch vector {
    case ExceptionVector.nonMaskableInterrupt, ExceptionVector.doubleFault,
      ExceptionVector.machineCheck:
      false
    case InterruptVector.systemCall: true
    default: vector < 32
    }
  }
}

extension UserRegisters {
  /// What the program that was left has done.
  fileprivate func event(faultAddress: UInt64) -> UserEvent {
    switch frame.vector {
    case InterruptVector.systemCall: .systemCall
    case ExceptionVector.pageFault:
      .pageFault(address: faultAddress, errorCode: frame.error_code)
    case let vector: .exception(vector: vector, errorCode: frame.error_code)
    }
  }
}
