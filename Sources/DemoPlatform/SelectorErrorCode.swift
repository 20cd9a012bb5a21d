internal import TesseraHardware

/// The error code of an exception that a descriptor has caused (Intel SDM Vol. 3A, "Error Code").
struct SelectorErrorCode {
  let rawValue: UInt64

  private var isLocal: Bool { rawValue & 4 != 0 }

  /// Writes the descriptor's number and table.
  func write(to sink: inout some TextSink) {
    sink.write("  error code ")
    sink.write(hexadecimal: rawValue)
    guard rawValue != 0 else {
      sink.write(": no descriptor; often a non-canonical address\n")
      return
    }

    sink.write(": entry ")
    sink.write(decimal: rawValue >> 3 & 0x1fff)
    sink.write(rawValue & 2 != 0 ? " of the IDT" : isLocal ? " of the LDT" : " of the GDT")
    if rawValue & 1 != 0 { sink.write(", while delivering an event from outside the program") }
    sink.writeLine()
  }
}
