internal import TesseraHardware

/// The page-table walk to one virtual address, for a crash report.
///
/// It depends on nothing that the crash may have damaged, and never faults: an entry that is not
/// mapped in the direct map ends the walk.
struct CrashTableDump {
  private let address: UInt64
  private let root: UInt64
  private let topLevel: Int

  /// The walk that the processor would do for `address`.
  init(of address: UInt64) {
    self.address = address
    self.root = Processor.rootAddress.rawValue
    // CR4.LA57 selects five levels.
    self.topLevel = Processor.controlRegister4.contains(.fiveLevelPaging) ? 5 : 4
  }

  /// Writes one line for each entry, from the root down, and where the walk stops.
  func write(to sink: inout some TextSink) {
    sink.write("walk ")
    sink.write(hexadecimal: address)
    sink.write(" (root ")
    sink.write(hexadecimal: root)
    sink.write(")\n")

    var table = root
    var level = topLevel
    while level >= 1, let next = writeEntry(ofTableAt: table, level: level, to: &sink) {
      table = next
      level -= 1
    }
  }

  /// Writes the entry that `address` selects. Returns the address of the next table, or nil at the
  /// end.
  private func writeEntry(
    ofTableAt table: UInt64, level: Int, to sink: inout some TextSink
  ) -> UInt64? {
    let index = address >> UInt64(3 + 9 * level) & 511
    sink.write("  L")
    sink.write(decimal: UInt64(level))
    sink.write("[")
    sink.write(decimal: index, width: 3)
    sink.write("] ")
    let place = UInt64(PhysicalMemory.directMapBase) &+ table &+ index * 8
    guard let entry = MemoryProbe.read(place) else {
      sink.write("not mapped in the direct map   <- stops here\n")
      return nil
    }

    sink.write(hexadecimal: entry, digitCount: 16)
    guard entry & 1 != 0 else {
      sink.write(entry == 0 ? "  absent" : "  not present")
      sink.write("            <- stops here\n")
      return nil
    }
    let isLeaf = level == 1 || (level <= 3 && entry & 0x80 != 0)
    sink.write(isLeaf ? "  page   " : "  table  ")
    writeRights(of: entry, isLeaf: isLeaf, to: &sink)
    if isLeaf { writeTarget(of: entry, level: level, to: &sink) }
    sink.writeLine()
    return isLeaf ? nil : entry & Self.addressMask
  }

  private func writeRights(of entry: UInt64, isLeaf: Bool, to sink: inout some TextSink) {
    sink.write("r")
    sink.write(entry & 2 != 0 ? "w" : "-")
    sink.write(entry >> 63 == 0 ? "x" : "-")
    sink.write(entry & 4 != 0 ? " u" : " k")
    if isLeaf && entry & 0x100 != 0 { sink.write(" g") }
  }

  private func writeTarget(of entry: UInt64, level: Int, to sink: inout some TextSink) {
    let byteCount = UInt64(1) << UInt64(3 + 9 * level)
    sink.write(level == 1 ? " 4K" : level == 2 ? " 2M" : " 1G")
    sink.write(" -> ")
    // In a large leaf, bit 12 is the PAT bit.
    sink.write(hexadecimal: entry & Self.addressMask & ~(byteCount - 1) | address & (byteCount - 1))
  }

  /// Bits 12 to 51 of an entry, and of CR3.
  private static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }
}
