internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

extension TranslationTrace {
  /// Writes a line for each entry from the root at `root` down, and notes where the walk stops.
  func write(root: PhysicalAddress, to sink: inout some TextSink & ~Copyable) {
    sink.write("walk ")
    sink.write(hexadecimal: address.rawValue)
    sink.write(" (root ")
    sink.write(hexadecimal: root.rawValue)
    sink.write(")\n")
    guard address.isCanonical else {
      sink.write("  not canonical                 <- stops here\n")
      return
    }
    var level = highestLevel
    while true {
      writeLine(of: level, to: &sink)
      if level == lowestLevel { return }
      level = level.below
    }
  }

  private func writeLine(of level: PagingLevel, to sink: inout some TextSink & ~Copyable) {
    let entry = self[level]
    sink.write("  L")
    sink.write(decimal: UInt64(level.number))
    sink.write("[")
    sink.write(decimal: UInt64(address.index(at: level)), width: 3)
    sink.write("] ")
    sink.write(hexadecimal: entry.rawValue, digitCount: 16)
    if entry.mapsPage(at: level), let size = level.pageSize {
      writePage(entry, size, to: &sink)
    } else if entry.leadsToTable(at: level) {
      writeTable(entry, isLast: level == lowestLevel, to: &sink)
    } else if entry.isStatus {
      sink.write("  ")
      entry.vacantContent.writeVacant(to: &sink)
      sink.write("          <- stops here")
    } else {
      sink.write("  absent            <- stops here")
    }
    sink.writeLine()
  }

  private func writeTable(
    _ entry: PageTableEntry, isLast: Bool, to sink: inout some TextSink & ~Copyable
  ) {
    sink.write("  table  r")
    sink.write(entry.rawValue & PageTableEntry.writable != 0 ? "w" : "-")
    sink.write(entry.rawValue & PageTableEntry.noExecute == 0 ? "x" : "-")
    sink.write(entry.rawValue & PageTableEntry.user != 0 ? " u" : " k")
    if isLast {
      sink.write("  not in memory       <- stops here")
    } else {
      writeOwners(of: entry.tableAddress, to: &sink)
    }
  }

  private func writePage(
    _ entry: PageTableEntry, _ size: PageSize, to sink: inout some TextSink & ~Copyable
  ) {
    let property = entry.property(size: size)
    let target = entry.leafAddress(size: size).rawValue | address.offset(in: size)
    sink.write("  page   ")
    property.write(to: &sink)
    sink.write(" ")
    sink.write(size.shortName)
    sink.write(" -> ")
    sink.write(hexadecimal: target)
    if entry.ownsFrame { writeOwners(of: entry.leafAddress(size: size), to: &sink) }
    if !entry.isPresent { sink.write("  <- stops here") }
  }

  /// Writes the reference count of the frame at `address`, unless that is no frame or a permanent
  /// one.
  private func writeOwners(
    of address: PhysicalAddress, to sink: inout some TextSink & ~Copyable
  ) {
    guard let slot = try? FrameTable.slot(at: address), slot.count < ReferenceCount.maximum else {
      return
    }
    sink.write("  refs ")
    sink.write(decimal: slot.count)
  }
}
