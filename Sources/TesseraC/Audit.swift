internal import TesseraHardware
internal import TesseraHeader

/// Writes a line for each violated invariant, and counts them.
struct Audit: ~Copyable {
  private var sink: CallbackSink
  private(set) var count: UInt64 = 0

  init(_ sink: consuming CallbackSink) { self.sink = sink }

  mutating func report(_ violation: StaticString) {
    count += 1
    sink.write("broken: ")
    sink.write(violation)
    sink.writeLine()
  }

  mutating func report(_ violation: StaticString, at address: UInt64) {
    count += 1
    sink.write("broken: ")
    sink.write(violation)
    sink.write(" (")
    sink.write(hexadecimal: address)
    sink.write(")\n")
  }
}
