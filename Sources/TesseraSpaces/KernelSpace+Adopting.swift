internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

extension KernelSpace {
  /// Makes the entries from `first` on of the table at `table`, and all below them, look like
  /// Tessera's own: leaves have the mark of one that owns nothing, and what is not present is
  /// absent.
  ///
  /// The processor runs on the tables, and is asked to ignore the bits that change. Tables where no
  /// memory is are left alone.
  static func adopt(
    _ table: PhysicalAddress, _ level: PagingLevel, from first: Int = 0,
    in window: PageTableWindow
  ) {
    guard table < FrameTable.end else { return }
    for index in first..<512 {
      let entry = window.entry(at: index, of: table)
      if entry.leadsToTable(at: level) {
        adopt(entry.tableAddress, level.below, in: window)
      } else if !entry.isAbsent {
        window.set(entry.isPresent ? entry.adopted : .absent, at: index, of: table)
      }
    }
  }
}

extension PageTableEntry {
  /// The same leaf, with the marks of one that owns no count.
  fileprivate var adopted: PageTableEntry {
    let marks = Self.leafMark | Self.countedMark | Self.statusMark
    return PageTableEntry(rawValue: rawValue & ~marks | Self.leafMark)
  }
}
