import MultibootFuzz
import TesseraBoot
import TesseraHardware
import TestSupport
import Testing

@Suite("Command line") struct BootTextTests {
  private func commandLine(_ text: String) throws -> BootText<ByteMemory> {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0, 0x1000, 1)]
    contents.commandLine = text
    return try information(of: image(.one, contents)).commandLine
  }

  @Test func `an option is a whole word`() throws {
    let line = try commandLine("  tessera.elf quiet\tnoisy=1  last ")
    for option: StaticString in ["tessera.elf", "quiet", "noisy=1", "last"] {
      #expect(line.contains(option: option))
    }
    for other: StaticString in ["quie", "uiet", "quiet noisy=1", "noisy", "LAST", "", " "] {
      #expect(!line.contains(option: other))
    }
    #expect(try !commandLine("").contains(option: "quiet"))
    #expect(try commandLine("quiet").contains(option: "quiet"))
  }

  @Test func `a value follows the equals sign, and the last one wins`() throws {
    let line = try commandLine("seed=1 xseed=5 seed=22 empty= a=b=c")
    #expect(line.value(of: "seed")?.string == "22")
    #expect(line.value(of: "empty")?.byteCount == 0)
    #expect(line.value(of: "a")?.equals("b=c") == true)
    #expect(line.value(of: "see") == nil)
    #expect(line.value(of: "quiet") == nil)
    #expect(try commandLine("seed").value(of: "seed") == nil)
  }

  @Test func `a number consists of digits and fits into 64 bits`() throws {
    for (text, number) in [
      ("0", 0), ("007", 7), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil),
      ("99999999999999999999", nil), ("", nil), ("-1", nil), ("1k", nil), ("0x10", nil),
    ] as [(String, UInt64?)] {
      #expect(try commandLine("n=\(text)").value(of: "n")?.decimal == number)
    }
  }

  @Test func `equality is byte for byte`() throws {
    let line = try commandLine("quiet")
    #expect(line.equals("quiet"))
    #expect(!line.equals("quie") && !line.equals("quiets") && !line.equals("Quiet"))
  }

  @Test func `unprintable bytes are written as question marks`() throws {
    var buffer = TextBuffer()
    try commandLine("a\u{1}b\u{7f}é").write(to: &buffer)
    #expect(buffer.text == "a?b???")
  }

  @Test func `a byte beyond the end traps`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var contents = MultibootImage.Contents()
      contents.entries = []
      contents.sizes = (1, 1)
      contents.commandLine = "ab"
      _ = try information(of: image(.one, contents)).commandLine[2]
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("text index is out of range"))
  }
}
