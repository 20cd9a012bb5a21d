internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// What the processor uses while Tessera is started, and has to find afterwards.
struct RunningProcessor {
  private let tables: RunningTables
  private let lowEnd: VirtualAddress
  /// Where the part of the lower half begins that is left behind: whole entries of the root stay.
  private let keptEnd: UInt64

  /// The processor runs on `tables`, and the kernel keeps what lies below `lowEnd`.
  init(_ tables: RunningTables, keepingBelow lowEnd: VirtualAddress) {
    self.tables = tables
    self.lowEnd = lowEnd
    let span = PagingMode.current.rootLevel.span
    keptEnd = (lowEnd.rawValue + span - 1) & ~(span - 1)
  }

  /// Refuses with CODE_NOT_KEPT, STACK_NOT_KEPT, GDT_NOT_KEPT or IDT_NOT_KEPT what is left behind.
  func checkKept() throws(APIError) {
    try check(keeps(Processor.instructionPointer), TESSERA_ERROR_CODE_IN_LOWER_HALF)
    try check(keeps(Processor.stackPointer), TESSERA_ERROR_STACK_IN_LOWER_HALF)
    try check(keeps(Processor.segmentTable.base), TESSERA_ERROR_GDT_IN_LOWER_HALF)
    let interrupts = Processor.interruptTable
    try check(
      keeps(interrupts.base) || !hasPageFaultGate(interrupts), TESSERA_ERROR_IDT_IN_LOWER_HALF)
  }

  private func keeps(_ address: UInt64) -> Bool { address >> 63 == 1 || address < keptEnd }

  /// Whether `table` is in use. A kernel that has none yet runs with what its loader left: nothing,
  /// or the table of a firmware in real mode, whose vectors are no gates.
  ///
  /// Intel SDM Vol. 3A, "64-Bit Mode IDT": gates have 16 bytes, and the sixth says what they are.
  private func hasPageFaultGate(_ table: Processor.DescriptorTable) -> Bool {
    let offset: UInt64 = 14 * 16
    guard UInt64(table.limit) >= offset + 15,
      let place = VirtualAddress(table.base).advanced(byChecked: offset + 5),
      let kind = tables.byte(at: place, keepingBelow: lowEnd)
    else { return false }
    // Present, and an interrupt gate or a trap gate.
    return kind & 0x9e == 0x8e
  }
}
