internal import CBoot
internal import Synchronization
internal import TesseraHardware

/// The report of a crash on the serial port. Takes no lock, allocates nothing, and never returns.
struct CrashReport {
  /// One more than the number of the processor that reports; zero before a crash. Access: atomic.
  private static let reporter = Atomic<Int>(0)

  /// Whether another processor reports a crash.
  static var hasBegunElsewhere: Bool {
    // Ordering: relaxed; the number says all there is to know.
    let processor = reporter.load(ordering: .relaxed)
    return processor != 0 && processor != Processor.current + 1
  }

  private var console = Console()
  private let frame: boot_interrupt_frame
  private let faultAddress: UInt64

  /// Reports the exception that interrupted `frame`, and exits. `faultAddress` is the saved CR2.
  static func leave(_ frame: boot_interrupt_frame, faultAddress: UInt64) -> Never {
    begin()
    var report = CrashReport(frame: frame, faultAddress: faultAddress)
    report.writeCause()
    report.writeProcessorState()
    report.writeRegisters()
    report.writeControlRegisters()
    if report.concernsAddress { CrashTableDump(of: faultAddress).write(to: &report.console) }
    Backtrace(of: frame).write(to: &report.console)
    StoppedProcessor.writeOthers(to: &report.console)
    ExitStatus.crashed.exit()
  }

  /// Reports a panic with the `length` bytes of `message`, and exits.
  ///
  /// The caller promises that the bytes are there.
  @unsafe static func leave(message: UnsafePointer<CChar>, length: Int, framePointer: UInt64)
    -> Never
  {
    begin()
    var console = Console()
    console.write("\ntessera: panic: ")
    for index in 0..<length {
      // SAFETY: `index` is below the length the caller gave.
      console.write(byte: UInt8(bitPattern: unsafe message[index]))
    }
    console.writeLine()
    writeProcessor(to: &console)
    writeTask(to: &console)
    Backtrace(from: framePointer).write(to: &console)
    StoppedProcessor.writeOthers(to: &console)
    ExitStatus.crashed.exit()
  }

  /// Reports that `processor` has not done what it was asked to in `seconds`, and exits.
  static func leave(waitingFor processor: Int, seconds: UInt64) -> Never {
    begin()
    var console = Console()
    console.write("\ntessera: processor ")
    console.write(decimal: UInt64(processor))
    console.write(" has not come back within ")
    console.write(decimal: seconds)
    console.write(" seconds\n")
    StoppedProcessor.writeOthers(to: &console)
    ExitStatus.crashed.exit()
  }

  private init(frame: boot_interrupt_frame, faultAddress: UInt64) {
    self.frame = frame
    self.faultAddress = faultAddress
  }

  /// Claims the report and stops the other processors. Ends a crash during a crash report, which
  /// would repeat otherwise; a processor that crashes while another one reports waits for its end.
  private static func begin() {
    let own = Processor.current + 1
    // Ordering: relaxed; the number alone matters, and it orders nothing else.
    let (isFirst, first) = reporter.compareExchange(
      expected: 0, desired: own, ordering: .relaxed)
    if isFirst { return StoppedProcessor.stopOthers() }
    guard first == own else { Processor.halt() }
    var console = Console()
    console.write("\ntessera: crashed again during the crash report above\n")
    ExitStatus.crashed.exit()
  }

  /// Whether CR2 is relevant: a double fault is often a page fault that could not be delivered.
  private var concernsAddress: Bool {
    frame.vector == ExceptionVector.pageFault || frame.vector == ExceptionVector.doubleFault
  }

  private mutating func writeCause() {
    console.write("\ntessera: crashed: ")
    console.write(ExceptionVector.name(of: frame.vector))
    console.write(", vector ")
    console.write(decimal: frame.vector)
    console.write(", at ")
    console.write(hexadecimal: frame.rip)
    console.writeLine()

    if concernsAddress, let stack = KernelImage.stackOverflowed(at: faultAddress) {
      console.write("  ")
      console.write(stack)
      console.write(" has overflowed: the address is in the guard page below it\n")
    }
    writeExplanation()
  }

  private mutating func writeExplanation() {
    switch frame.vector {
    case ExceptionVector.pageFault:
      PageFaultErrorCode(rawValue: frame.error_code).write(address: faultAddress, to: &console)
    case ExceptionVector.doubleFault where KernelImage.stackOverflowed(at: faultAddress) == nil:
      console.write("  an exception could not be delivered; often the stack pointer is invalid\n")
    case ExceptionVector.invalidOpcode where isTrapInstruction:
      console.write("  a trap instruction (UD2), by which compiled code reports a failed check\n")
    case ExceptionVector.invalidOpcode:
      console.write("  an undefined instruction, or one that this kernel has not enabled\n")
    case ExceptionVector.deviceNotAvailable:
      console.write("  an x87 instruction, which kernel code must not contain\n")
    case let vector where ExceptionVector.namesSelector(vector):
      SelectorErrorCode(rawValue: frame.error_code).write(to: &console)
    case ExceptionVector.controlProtection:
      console.write("  error code ")
      console.write(hexadecimal: frame.error_code)
      console.writeLine()
    default:
      break
    }
  }

  /// Whether the instruction is UD2, which the compiler uses for failed checks.
  private var isTrapInstruction: Bool {
    guard let bytes = MemoryProbe.read(frame.rip) else { return false }
    return bytes & 0xffff == 0x0b0f
  }

  private static func writeProcessor(to console: inout Console) {
    console.write("  processor ")
    console.write(decimal: UInt64(Processor.current))
  }

  private static func writeTask(to console: inout Console) {
    console.write(", ")
    StoppedProcessor.writeTask(of: ProcessorRecord.current, to: &console)
    console.writeLine()
  }

  private mutating func writeProcessorState() {
    Self.writeProcessor(to: &console)
    console.write(frame.rflags & 0x200 != 0 ? ", interrupts on" : ", interrupts off")
    console.write(frame.cs & 3 == 0 ? ", in the kernel" : ", in a user program")
    Self.writeTask(to: &console)
  }
}

extension CrashReport {
  private mutating func writeRegisters() {
    console.write("registers\n")
    write("rax", frame.rax, "rbx", frame.rbx, "rcx", frame.rcx)
    write("rdx", frame.rdx, "rsi", frame.rsi, "rdi", frame.rdi)
    write("rbp", frame.rbp, "rsp", frame.rsp, "r8 ", frame.r8)
    write("r9 ", frame.r9, "r10", frame.r10, "r11", frame.r11)
    write("r12", frame.r12, "r13", frame.r13, "r14", frame.r14)
    write("r15", frame.r15, "rip", frame.rip, "flg", frame.rflags)
  }

  private mutating func writeControlRegisters() {
    let featureEnables = Processor.extendedFeatures.rawValue
    write(
      "cr0", Processor.controlRegister0.rawValue, "cr2", faultAddress, "cr3", Processor.rootRegister
    )
    write(
      "cr4", Processor.controlRegister4.rawValue, "efer", featureEnables, "err", frame.error_code)
    write("cs", frame.cs)
    write("ss", frame.ss)
    console.writeLine()
  }

  private mutating func write(
    _ firstName: StaticString, _ first: UInt64, _ secondName: StaticString, _ second: UInt64,
    _ thirdName: StaticString, _ third: UInt64
  ) {
    write(firstName, first)
    write(secondName, second)
    write(thirdName, third)
    console.writeLine()
  }

  private mutating func write(_ name: StaticString, _ value: UInt64) {
    console.write("  ")
    console.write(name, paddedTo: 5)
    console.write(hexadecimal: value, digitCount: 16)
  }
}
