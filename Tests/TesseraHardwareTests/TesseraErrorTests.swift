import TesseraHardware
import TestSupport
import Testing

@Suite("Errors") struct TesseraErrorTests {
  private static let page = VirtualAddress(0x12_3000)

  private func sentence(_ error: TesseraError) -> String {
    var buffer = TextBuffer()
    error.write(to: &buffer)
    return buffer.text
  }

  @Test func `every error has a sentence of its own`() {
    let errors: [TesseraError] = [
      .empty, .notAligned, .outOfBounds, .outOfFrames, .inUse, .unused, .inTransition, .unique,
      .alreadyMapped(Self.page), .notMapped(Self.page), .notActive, .rightsWithheld(Self.page),
      .usedByProcessor(.stack), .managedMemory(PhysicalAddress(0x5000)), .boot(.noMemory),
      .multiboot(.noMemoryMap),
    ]
    #expect(Set(errors.map { "\($0.description)" }).count == errors.count)
    #expect(Set(errors.map(sentence)).count == errors.count)
    for error in errors { #expect(sentence(error).hasPrefix("\(error.description)")) }
  }

  @Test func `a sentence names the address or the part`() {
    #expect(sentence(.alreadyMapped(Self.page)).hasSuffix(": 0x0000000000123000"))
    #expect(sentence(.notMapped(Self.page)).hasSuffix(": 0x0000000000123000"))
    #expect(sentence(.rightsWithheld(Self.page)).hasSuffix(": 0x0000000000123000"))
    #expect(sentence(.managedMemory(PhysicalAddress(0x5000))).hasSuffix("0x0000000000005000"))
    #expect(sentence(.usedByProcessor(.segmentTable)).hasSuffix(": GDT"))
    #expect(
      sentence(.boot(.inUsableMemory(PhysicalAddress(0x6000), .stack)))
        == "the stack lies in memory that the memory map calls usable: 0x0000000000006000")
    #expect(sentence(.multiboot(.wrongMagic(0x1234))).hasSuffix("magic number 0x1234"))
    #expect(TesseraError.boot(.pageTableShared(PhysicalAddress(0x7000))).address == 0x7000)
    #expect(TesseraError.outOfFrames.address == nil)
  }

  /// Errors are returned in registers. Two are enough as long as no case needs more.
  @Test func `an error fits two registers`() {
    #expect(MemoryLayout<TesseraError>.size <= 16)
  }
}
