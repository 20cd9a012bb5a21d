internal import CBoot
internal import TesseraHardware

/// The calls that led to a place, found by following frame pointers.
///
/// A stack frame starts with two words: the caller's frame pointer, and the return address. All
/// code is compiled to keep the pointer in RBP. Never faults, and ends at the first implausible
/// frame.
struct Backtrace {
  /// Enough to follow an endless recursion with the smallest frames through a whole stack.
  private static let maximumDepth = 8192
  private static let maximumLines = 32

  /// The interrupted instruction, or nil if the chain starts with a call.
  private let instruction: UInt64?
  /// The call of an address that is not code, and so has no stack frame.
  private let caller: UInt64?
  private let framePointer: UInt64

  /// The calls that led to the place where `frame` was interrupted.
  init(of frame: borrowing boot_interrupt_frame) {
    instruction = frame.rip
    caller = KernelImage.text.contains(frame.rip) ? nil : Self.call(returningTo: frame.rsp)
    framePointer = frame.rbp
  }

  /// The calls that led to the function whose frame is at `framePointer`.
  init(from framePointer: UInt64) {
    instruction = nil
    caller = nil
    self.framePointer = framePointer
  }

  /// The address of the call whose return address is stored at `location`, or nil if that is not in
  /// the kernel's code.
  private static func call(returningTo location: UInt64) -> UInt64? {
    guard let address = MemoryProbe.read(location), KernelImage.text.contains(address &- 1) else {
      return nil
    }
    return address &- 1
  }

  /// Writes a line for each call, innermost first, with the names that the loader knows, and the
  /// command that symbolizes them.
  ///
  /// The addresses are those of the calls, not of the instructions after them: a call of a function
  /// that never returns may be the last instruction of its function. Repeated calls share a line.
  func write(to sink: inout some TextSink) {
    sink.write("backtrace, innermost first\n")
    forEachRun { address, count in
      sink.write("  ")
      sink.write(hexadecimal: address, digitCount: 16)
      KernelSymbols.write(nameOf: address, to: &sink)
      if count > 1 {
        sink.write("  ")
        sink.write(decimal: count)
        sink.write(" times")
      }
      sink.writeLine()
    }

    sink.write("to symbolize:\n  llvm-symbolizer --obj=")
    sink.write(Platform.imagePath)
    forEachRun { address, _ in
      sink.write(" ")
      sink.write(hexadecimal: address)
    }
    sink.write(" | swift demangle\n")
  }

  /// Calls `body` with each address and the number of its consecutive repetitions.
  private func forEachRun(_ body: (UInt64, UInt64) -> Void) {
    var current: UInt64 = 0
    var count: UInt64 = 0
    var lines = 0
    forEachCall { address in
      if address == current {
        count += 1
        return
      }
      if count > 0 && lines < Self.maximumLines { body(current, count) }
      lines += count > 0 ? 1 : 0
      current = address
      count = 1
    }
    if count > 0 && lines < Self.maximumLines { body(current, count) }
  }

  /// Calls `body` with each address, innermost first.
  func forEachCall(_ body: (UInt64) -> Void) {
    if let instruction { body(instruction) }
    if let caller { body(caller) }
    var frame = framePointer
    for _ in 0..<Self.maximumDepth {
      // Stacks are in the kernel half, and frames are aligned.
      guard frame >> 47 == 0x1ffff, frame & 7 == 0, let outerFrame = MemoryProbe.read(frame),
        let call = Self.call(returningTo: frame &+ 8)
      else { return }
      body(call)
      // Stacks grow down, so a caller's frame lies above. That also breaks a loop.
      guard outerFrame > frame else { return }
      frame = outerFrame
    }
  }
}
