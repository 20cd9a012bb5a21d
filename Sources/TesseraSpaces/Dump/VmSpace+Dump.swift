public import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Writes what the space maps below the kernel half, for people: a line for each range of alike
  /// pages, and one with the totals.
  ///
  ///     0x0000000000400000-0x0000000000404000    16 KiB  r-x u - wb 4K  -> 0x141000 (linear)
  ///
  /// From the left: addresses, size, rights, user or kernel, global, cache policy, page size, and
  /// the physical address, or "various" if the memory is not contiguous. Takes no lock, allocates
  /// nothing, and changes nothing.
  public borrowing func dump(to sink: inout some TextSink & ~Copyable) {
    contents.write(to: &sink)
  }

  /// Writes the same for programs, as lines of JSON: first an object with the keys `format`,
  /// `version` and `root`, then one for each range.
  ///
  /// Each has `start`, `end` and `bytes`, and either `status` or `read`, `write`, `execute`,
  /// `user`, `global`, `cache`, `page` and `target`, which is null if the memory is not contiguous.
  public borrowing func dumpJSON(to sink: inout some TextSink & ~Copyable) {
    contents.writeJSON(to: &sink)
  }

  /// Writes the page-table walk for `address`: a line for each entry from the root down, with its
  /// index, its bits and their meaning, and a note where the walk stops.
  ///
  /// Works for any address. Takes no lock, allocates nothing, and changes nothing.
  public borrowing func writeWalk(
    of address: VirtualAddress, to sink: inout some TextSink & ~Copyable
  ) {
    TranslationTrace(of: address, from: root).write(root: rootAddress, to: &sink)
  }

  private var contents: PageTableDump {
    PageTableDump(root: root, start: Self.start, end: PagingMode.current.lowerHalfEnd)
  }
}
