internal import TesseraFaults
internal import TesseraFrames
public import TesseraHardware

extension PageUsage {
  /// Pages in memory that are not known to have been written since their store had them.
  public var clean: UInt64 { resident - dirty }
}

extension Pager {
  /// Writes where pages are, as a table: a line for the anonymous pages of all spaces, and one for
  /// each memory object, with its length; and one for the swap store, if there is one.
  ///
  ///                         length   resident      clean      dirty    writing    swapped
  ///     anonymous                         6,144      5,120      1,024         32     60,416
  ///     object       1      80 MiB      2,011      2,003          8          0          0
  ///     swap: 60,416 of 98,304 pages
  ///
  /// Numbers are those of pages. What other processors change meanwhile counts or not. Waits as
  /// `reclaim(_:)`.
  public static func dump(to sink: inout some TextSink & ~Copyable) {
    sink.write("", paddedTo: 16)
    sink.write("    length   resident      clean      dirty    writing    swapped\n")
    sink.write("anonymous", paddedTo: 26)
    sink.write(usage().anonymous)
    MemoryObjects.forEachObject { object in
      sink.write("object", paddedTo: 9)
      sink.write(decimal: UInt64(object.number), width: 5)
      sink.write(byteSize: object.byteCount, width: 8)
      sink.write(object.usage())
    }
    let (pageCount, used) = swapUsage
    guard pageCount > 0 else { return }
    sink.write("swap: ")
    sink.write(decimal: UInt64(used), grouped: true)
    sink.write(" of ")
    sink.write(decimal: UInt64(pageCount), grouped: true)
    sink.write(" pages\n")
  }
}

extension TextSink where Self: ~Copyable {
  /// Writes the columns of a table, and ends the line.
  fileprivate mutating func write(_ usage: PageUsage) {
    write(decimal: usage.resident, width: 11, grouped: true)
    write(decimal: usage.clean, width: 11, grouped: true)
    write(decimal: usage.dirty, width: 11, grouped: true)
    write(decimal: usage.beingWritten, width: 11, grouped: true)
    write(decimal: usage.swapped, width: 11, grouped: true)
    writeLine()
  }
}
