public import TesseraHardware

extension PageFaultErrorCode {
  /// Writes a sentence about the access to `address` and the reason of the fault.
  func write(address: UInt64, to sink: inout some TextSink) {
    sink.write(has(Self.user) ? "  a user program " : "  the kernel ")
    sink.write(
      has(Self.instructionFetch)
        ? "fetched an instruction from " : has(Self.write) ? "wrote to " : "read from ")
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
    if has(Self.reservedBit) { return "a page-table entry has a reserved bit set" }
    if has(Self.enclave) { return "the access rules of an SGX enclave forbid it" }
    if has(Self.shadowStack) { return "the shadow-stack rules forbid it" }
    if has(Self.protectionKey) { return "the page's protection key forbids it" }
    return has(Self.present)
      ? "the page is mapped, but does not allow it" : "the page is not mapped"
  }

  /// Writes a word for each bit, each after a space.
  func writeBits(to sink: inout some TextSink) {
    sink.write(has(Self.present) ? " present" : " not-present")
    sink.write(has(Self.write) ? " write" : " read")
    sink.write(has(Self.user) ? " user" : " supervisor")
    if has(Self.reservedBit) { sink.write(" reserved-bit") }
    if has(Self.instructionFetch) { sink.write(" instruction-fetch") }
    if has(Self.protectionKey) { sink.write(" protection-key") }
    if has(Self.shadowStack) { sink.write(" shadow-stack") }
    if has(Self.enclave) { sink.write(" SGX") }
  }
}

extension MemoryProbe.Fault {
  /// Writes the error code in words, as in " not-present read supervisor", or the exception's name.
  public func writeWords(to sink: inout some TextSink) {
    if vector == ExceptionVector.pageFault {
      PageFaultErrorCode(rawValue: errorCode).writeBits(to: &sink)
    } else {
      sink.write(" ")
      sink.write(ExceptionVector.name(of: vector))
    }
  }
}
