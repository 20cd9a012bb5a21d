internal import TesseraHardware

/// What the running processor uses: the virtual addresses at which it must find it.
enum ProcessorParts {
  /// Calls `body` with the code, Tessera's variables, the stack and the tables of the processor;
  /// with the IDT only if the processor `usesInterruptTable`.
  static func forEach(
    usesInterruptTable: Bool,
    _ body: (_ part: ProcessorPart, _ address: UInt64, _ byteCount: UInt64) -> Void
  ) {
    let segments = Processor.segmentTable
    body(.code, Processor.instructionPointer, 1)
    body(.variables, Boot.variableAddress, 1)
    // Room for the calls that follow.
    body(.stack, Processor.stackPointer &- 4096, 4096)
    body(.segmentTable, segments.base, UInt64(segments.limit) + 1)
    if usesInterruptTable {
      let interrupts = Processor.interruptTable
      body(.interruptTable, interrupts.base, UInt64(interrupts.limit) + 1)
    }
    if let state = taskState(in: segments) { body(.taskState, state, 104) }
  }

  /// The address of the task-state segment, or nil if there is none.
  ///
  /// Intel SDM Vol. 3A, "TSS Descriptor in 64-Bit Mode": the base is in bits 16 to 39 and 56 to 63,
  /// and in the next word.
  private static func taskState(in segments: Processor.DescriptorTable) -> UInt64? {
    let place = segments.base &+ UInt64(Processor.taskSelector & ~7)
    guard Processor.taskSelector & ~7 != 0, let low = Processor.tryReadWord(at: place),
      let high = Processor.tryReadWord(at: place &+ 8)
    else { return nil }
    return low >> 16 & 0xff_ffff | low >> 32 & 0xff00_0000 | high << 32
  }
}
