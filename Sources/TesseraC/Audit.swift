internal import TesseraHardware
internal import TesseraHeader

/// Broken rules, written one to a line and counted.
struct Audit: ~Copyable {
  private var sink: CallbackSink
  private(set) var count: UInt64 = 0

  init(_ sink: consuming CallbackSink) { self.sink = sink }

  mutating func report(_ rule: StaticString) {
    count += 1
    sink.write("broken: ")
    sink.write(rule)
    sink.writeLine()
  }

  mutating func report(_ rule: StaticString, at address: UInt64) {
    count += 1
    sink.write("broken: ")
    sink.write(rule)
    sink.write(" (")
    sink.write(hexadecimal: address)
    sink.write(")\n")
  }
}
