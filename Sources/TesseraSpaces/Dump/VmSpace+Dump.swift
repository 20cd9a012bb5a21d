internal import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Writes what the space maps in its own half, for people: a line for each range of pages that
  /// differ in nothing but their addresses, and one with the totals.
  ///
  ///     0x0000000000400000-0x0000000000404000    16 KiB  r-x u - wb 4K  -> 0x141000 (linear)
  ///
  /// From the left: addresses, size, rights, user or kernel, global, cache policy, size of the
  /// pages, and where they lead to: one address if it is one page or the memory is in one piece, or
  /// "various". Takes no lock, allocates nothing, and does not change anything.
  public borrowing func dump(to sink: inout some TextSink & ~Copyable) {
    contents.write(to: &sink)
  }

  /// Writes the same for programs, as lines of JSON: first an object with the keys `format`,
  /// `version` and `root`, then one for each range.
  ///
  /// Each has `start`, `end` and `bytes`, and either `status` or `read`, `write`, `execute`,
  /// `user`,
  /// `global`, `cache`, `page` and `target`, which is null where the memory is not in one piece.
  public borrowing func dumpJSON(to sink: inout some TextSink & ~Copyable) {
    contents.writeJSON(to: &sink)
  }

  /// Writes how the space translates `address`: a line for each entry from the root down, with its
  /// index, its bits and what they say, and a mark where the walk stops.
  ///
  /// Takes no lock, allocates nothing, and does not change anything. Any address will do.
  public borrowing func writeWalk(
    of address: VirtualAddress, to sink: inout some TextSink & ~Copyable
  ) {
    TranslationDump(of: address, from: root).write(to: &sink)
  }

  private var contents: PageTableDump {
    PageTableDump(root: root, start: Self.start, end: PagingMode.current.lowerHalfEnd)
  }
}
