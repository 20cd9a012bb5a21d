public import TesseraHardware

extension MemoryMap {
  /// Writes the map as a table, with one line for each region.
  ///
  /// `title` is the source of the map, such as the loader's protocol.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink, title: StaticString) {
    sink.write("tessera: memory map (")
    sink.write(title)
    sink.write(", ")
    sink.write(decimal: UInt64(entryCount))
    sink.write(entryCount == 1 ? " entry -> " : " entries -> ")
    let regionCount = totals().regionCount
    sink.write(decimal: UInt64(regionCount))
    sink.write(regionCount == 1 ? " region)" : " regions)")
    sink.writeLine()
    forEachRegion { $0.writeLine(to: &sink) }
  }
}

extension MemoryRegion {
  /// Writes the region as a line of the table: addresses, size, kind.
  public func writeLine<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    sink.write("  ")
    sink.write(start)
    sink.write("-")
    sink.write(end)
    sink.write(byteSize: byteCount, width: 6)
    sink.write("  ")
    sink.write(kind.description)
    sink.writeLine()
  }
}
