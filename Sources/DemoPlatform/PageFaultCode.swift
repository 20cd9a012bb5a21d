public import TesseraHardware

/// The error code of a page fault (Intel SDM Vol. 3A, "Page-Fault Exceptions").
///
/// Each bit is read by itself: processors and emulators differ in which bits they combine. Some
/// report a reserved bit with PRESENT, and some without.
struct PageFaultCode {
  let rawValue: UInt64

  private func has(_ bit: UInt64) -> Bool { rawValue >> bit & 1 != 0 }

  /// Writes a sentence about the access to `address` and the reason of the fault.
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
    if has(3) { return "a page-table entry has a reserved bit set" }
    if has(15) { return "the access rules of an SGX enclave forbid it" }
    if has(6) { return "the shadow-stack rules forbid it" }
    if has(5) { return "the page's protection key forbids it" }
    return has(0) ? "the page is mapped, but does not allow it" : "the page is not mapped"
  }

  /// Writes a word for each bit, each after a space.
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
  /// Writes the error code in words, as in " not-present read supervisor", or the exception's name.
  public func writeWords(to sink: inout some TextSink) {
    if vector == ExceptionVector.pageFault {
      PageFaultCode(rawValue: errorCode).writeBits(to: &sink)
    } else {
      sink.write(" ")
      sink.write(ExceptionVector.name(of: vector))
    }
  }
}
