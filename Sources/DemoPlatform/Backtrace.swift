internal import CBoot
internal import TesseraHardware

/// The calls that led to a place, found by following frame pointers.
///
/// A frame is two words: the caller's frame pointer, and the return address. Everything is compiled
/// to keep the pointer in RBP. Never faults, and ends where the chain stops making sense.
struct Backtrace {
  private static let maximumDepth = 32

  /// Where the code was, unless the chain starts with a call from there.
  private let instruction: UInt64?
  private let framePointer: UInt64

  /// The calls that led to `instruction`, when RBP was `framePointer`.
  init(instruction: UInt64?, framePointer: UInt64) {
    self.instruction = instruction
    self.framePointer = framePointer
  }

  /// Writes a line per call, innermost first, and the command that names the lines.
  ///
  /// The addresses are those of the calls, not of the instructions after them: a call of a function
  /// that never returns may be the last instruction of its function.
  func write(to sink: inout some TextSink) {
    sink.write("backtrace, innermost first\n")
    var number: UInt64 = 0
    forEach { address in
      sink.write("  #")
      sink.write(decimal: number)
      sink.write(number < 10 ? "  " : " ")
      sink.write(hexadecimal: address, digitCount: 16)
      sink.writeLine()
      number += 1
    }

    sink.write("to turn these into functions and lines:\n  llvm-symbolizer --demangle --obj=")
    sink.write(Platform.imagePath)
    forEach { address in
      sink.write(" ")
      sink.write(hexadecimal: address)
    }
    sink.writeLine()
  }

  private func forEach(_ body: (UInt64) -> Void) {
    if let instruction { body(instruction) }
    var frame = framePointer
    for _ in 0..<Self.maximumDepth {
      // A stack lies in the kernel's half, and its frames are aligned.
      guard frame >> 47 == 0x1ffff, frame & 7 == 0, let caller = MemoryProbe.read(frame),
        let returnAddress = MemoryProbe.read(frame &+ 8),
        KernelImage.text.contains(returnAddress &- 1)
      else { return }
      body(returnAddress &- 1)
      // Stacks grow down, so a caller's frame lies above. That also breaks a loop.
      guard caller > frame else { return }
      frame = caller
    }
  }
}
