public import TesseraHardware

/// The error code of a page fault (Intel SDM Vol. 3A, "Page-Fault Exceptions").
///
/// Read bit by bit: processors and emulators differ in which bits they combine. A reserved bit, for
/// one, is reported by some with PRESENT and by some without.
struct PageFaultCode {
  let rawValue: UInt64

  private func has(_ bit: UInt64) -> Bool { rawValue >> bit & 1 != 0 }

  /// Writes a sentence about who did what to `address` and why that was refused.
  func write(address: UInt64, to sink: inout some TextSink) {
    sink.write(has(2) ? "  a user program " : "  the kernel ")
    sink.write(has(4) ? "fetched an instruction from " : has(1) ? "wrote to " : "read from ")
    sink.write(hexadecimal: address)
    sink.write(": ")
    sink.write(reason)
    sink.write("\n  error code ")
    sink.write(hexadecimal: rawValue)
    sink.write(" =")
    writeBits(to: &sink)
    sink.writeLine()
  }

  private var reason: StaticString {
    if has(3) { return "a table entry on the way has a reserved bit set" }
    if has(15) { return "the access rules of an SGX enclave forbid it" }
    if has(6) { return "the shadow-stack rules forbid it" }
    if has(5) { return "the page's protection key forbids it" }
    return has(0) ? "the page is there, and its rights forbid it" : "no page is there"
  }

  /// Writes what each bit says, in words with a blank before each.
  func writeBits(to sink: inout some TextSink) {
    sink.write(has(0) ? " present" : " not-present")
    sink.write(has(1) ? " write" : " read")
    sink.write(has(2) ? " user" : " supervisor")
    if has(3) { sink.write(" reserved-bit") }
    if has(4) { sink.write(" instruction-fetch") }
    if has(5) { sink.write(" protection-key") }
    if has(6) { sink.write(" shadow-stack") }
    if has(15) { sink.write(" SGX") }
  }
}

extension MemoryProbe.Fault {
  /// Writes what the fault was: " not-present read supervisor", or another exception's name.
  public func writeWords(to sink: inout some TextSink) {
    if vector == ExceptionVector.pageFault {
      PageFaultCode(rawValue: errorCode).writeBits(to: &sink)
    } else {
      sink.write(" ")
      sink.write(ExceptionVector.name(of: vector))
    }
  }
}
