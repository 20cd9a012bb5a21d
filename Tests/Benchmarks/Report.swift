internal import CBenchmarks
internal import TesseraHardware

/// The lines that the script which runs the benchmarks reads: words and whole numbers.
struct Report: TextSink {
  mutating func write(byte: UInt8) { host_write(byte) }

  /// "time NAME FRAMES NANOSECONDS NANOSECONDS OPERATIONS": of the loop, and of its limit.
  static func write(
    _ name: StaticString, _ frameCount: Int, _ nanoseconds: UInt64, _ limit: UInt64,
    _ operations: Int
  ) {
    guard name.utf8CodeUnitCount > 0 else { return }
    var report = Report()
    report.write("time ")
    report.write(name)
    report.write(number: UInt64(frameCount))
    report.write(number: nanoseconds)
    report.write(number: limit)
    report.write(number: UInt64(operations))
    report.writeLine()
  }

  /// "pair NAME NANOSECONDS NANOSECONDS OPERATIONS": with another processor at work, and without.
  static func write(pair name: StaticString, _ together: UInt64, _ alone: UInt64, _ count: Int) {
    guard name.utf8CodeUnitCount > 0 else { return }
    var report = Report()
    report.write("pair ")
    report.write(name)
    report.write(number: together)
    report.write(number: alone)
    report.write(number: UInt64(count))
    report.writeLine()
  }

  /// "tables PAGES NODES": how many page-table nodes as many contiguous pages take.
  static func write(pageCount: Int, nodeCount: UInt64) {
    var report = Report()
    report.write("tables")
    report.write(number: UInt64(pageCount))
    report.write(number: nodeCount)
    report.writeLine()
  }

  /// "pages PAGES BYTES": what the pager takes for each of so many anonymous pages.
  static func write(pages pageCount: Int, byteCount: Int) {
    var report = Report()
    report.write("pages")
    report.write(number: UInt64(pageCount))
    report.write(number: UInt64(byteCount))
    report.writeLine()
  }

  /// "object PAGES PAGES BYTES": what it takes for an object of so many pages, of which so many are
  /// in memory.
  static func write(objectOf pageCount: Int, _ residentCount: Int, byteCount: Int) {
    var report = Report()
    report.write("object")
    report.write(number: UInt64(pageCount))
    report.write(number: UInt64(residentCount))
    report.write(number: UInt64(byteCount))
    report.writeLine()
  }

  /// "operations NAME OPERATIONS".
  static func write(_ name: StaticString, operations: Int) {
    guard name.utf8CodeUnitCount > 0 else { return }
    var report = Report()
    report.write("operations ")
    report.write(name)
    report.write(number: UInt64(operations))
    report.writeLine()
  }

  /// "heap NAME NANOSECONDS OPERATIONS", where the name of the row is in parts: that of a pair ends
  /// with the size of the objects.
  static func write(
    _ heap: ComparedHeap, _ name: StaticString, byteCount: Int = 0, _ nanoseconds: UInt64,
    _ operations: Int
  ) {
    var report = Report()
    report.write("heap ")
    report.write(heap, name, byteCount)
    report.write(number: nanoseconds)
    report.write(number: UInt64(operations))
    report.writeLine()
  }

  /// "operations NAME OPERATIONS" of the same row.
  static func write(operationsOf row: HeapRow, on heap: ComparedHeap) {
    var report = Report()
    report.write("operations ")
    report.write(heap, row.name, row.byteCount)
    report.write(number: UInt64(row.count))
    report.writeLine()
  }

  private mutating func write(_ heap: ComparedHeap, _ name: StaticString, _ byteCount: Int) {
    write(heap.prefix)
    write(name)
    if byteCount > 0 { write(decimal: UInt64(byteCount)) }
  }

  /// "waste HEAP BYTES BYTES": those that the trace has asked for, and those that the heap took.
  static func write(_ heap: StaticString, asked: Int, taken: Int) {
    var report = Report()
    report.write("waste ")
    report.write(heap)
    report.write(number: UInt64(asked))
    report.write(number: UInt64(taken))
    report.writeLine()
  }

  /// "mimalloc VERSION", which is 0 if there is none.
  static func write(mimallocVersion version: Int) {
    var report = Report()
    report.write("mimalloc")
    report.write(number: UInt64(version))
    report.writeLine()
  }

  private mutating func write(number: UInt64) {
    write(" ")
    write(decimal: number)
  }
}
