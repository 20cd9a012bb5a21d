internal import TesseraFrames
internal import TesseraHardware

/// What the processor uses during the start and must still find after it: with a GDT at an address
/// that is no longer mapped, for instance, the next exception is a triple fault.
struct RunningProcessor {
  private var tables: RunningTables
  private let kept: KeptAddresses
  /// Addresses at which `tables` map memory linearly.
  private let linear: KeptAddresses

  /// The processor runs on `tables`; of their mappings, those in `kept` stay.
  init(_ tables: RunningTables, keeping kept: KeptAddresses, linear: KeptAddresses) {
    self.tables = tables
    self.kept = kept
    self.linear = linear
  }

  /// Throws `codeNotKept`, `stackNotKept`, `segmentTableNotKept` or `interruptTableNotKept`.
  mutating func check() throws(BootError) {
    guard keeps(Processor.instructionPointer) else { throw .codeNotKept }
    guard keeps(Processor.stackPointer) else { throw .stackNotKept }
    guard keeps(Processor.segmentTable.base) else { throw .segmentTableNotKept }
    guard keeps(Processor.interruptTable.base) || !usesInterruptTable else {
      throw .interruptTableNotKept
    }
  }

  private func keeps(_ address: UInt64) -> Bool { kept.contains(address) }

  /// Whether the IDT is in use. A kernel that has none yet runs with what its loader left: nothing,
  /// or the table of a firmware in real mode, whose vectors are no gates.
  ///
  /// Intel SDM Vol. 3A, "64-Bit Mode IDT": gates have 16 bytes, and the sixth holds the type.
  var usesInterruptTable: Bool {
    mutating get {
      let table = Processor.interruptTable
      let offset: UInt64 = 14 * 16
      guard UInt64(table.limit) >= offset + 15,
        let place = VirtualAddress(table.base).advanced(byChecked: offset + 5),
        let kind = tables.byte(at: place, mappedAt: linear)
      else { return false }
      // Present, and an interrupt gate or a trap gate.
      return kind & 0x9e == 0x8e
    }
  }
}
