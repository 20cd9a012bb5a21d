internal import TesseraHardware
internal import TesseraHeader

/// Writes a line for each violated invariant, and counts them.
struct Audit: ~Copyable {
  private var sink: CallbackSink
  private(set) var count: UInt64 = 0
  /// Violations that were found with a lock held, and are written once it is released.
  private var noted = InlineArray<16, StaticString>(repeating: "")
  private var notedCount = 0

  init(_ sink: consuming CallbackSink) { self.sink = sink }

  mutating func report(_ violation: StaticString) {
    count += 1
    sink.write("broken: ")
    sink.write(violation)
    sink.writeLine()
  }

  /// Remembers a violation for `reportNoted`; those after the 16th are only counted there.
  mutating func note(_ violation: StaticString) {
    if notedCount < noted.count { noted[notedCount] = violation }
    notedCount += 1
  }

  /// Reports what was noted. One line stands for all after the 16th.
  mutating func reportNoted() {
    for index in 0..<min(notedCount, noted.count) { report(noted[index]) }
    if notedCount > noted.count {
      report("there are more violations of the allocator's")
      count += UInt64(notedCount - noted.count - 1)
    }
    notedCount = 0
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
