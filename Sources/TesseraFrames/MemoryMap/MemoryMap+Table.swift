public import TesseraHardware

extension MemoryMap {
  /// Writes the map as a table, one line for each region.
  ///
  /// `title` says where the map comes from, such as the loader's protocol.
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

extension TextSink where Self: ~Copyable {
  /// Writes `byteCount`, rounded down, in the largest unit of which there are at least ten.
  ///
  /// `width` is that of the number, which is right aligned; the unit takes four more.
  public mutating func write(byteSize byteCount: UInt64, width: Int = 0) {
    if byteCount >= 10 << 40 {
      write(decimal: byteCount >> 40, width: width)
      write(" TiB")
    } else if byteCount >= 10 << 30 {
      write(decimal: byteCount >> 30, width: width)
      write(" GiB")
    } else if byteCount >= 10 << 20 {
      write(decimal: byteCount >> 20, width: width)
      write(" MiB")
    } else {
      write(decimal: byteCount >> 10, width: width)
      write(" KiB")
    }
  }
}
