import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

/// A sink that keeps everything written to it.
extension OnSimulatedMachine {
  @Suite("Dump of all frames") struct FrameDumpTests {
    let machine = SimulatedMachine(frameCount: 1024, reserved: 4)

    /// The lines of the dump as it is now.
    private var dump: [String] {
      var transcript = TextBuffer()
      FrameTable.dumpJSON(to: &transcript)
      let text = String(decoding: transcript.bytes, as: UTF8.self)
      return text.split(separator: "\n").map(String.init)
    }

    @Test func `the dump has one line for each range of frames that are alike`() throws {
      FrameAllocator.drainCache()
      let before = dump
      #expect(before.first == "{\"format\":\"tessera-frames\",\"version\":1,\"frames\":1024}")
      #expect(before.count { $0.contains("\"state\":\"free\",\"usage\":\"unused\"") } == 1)
      let frame = try Frame(allocating: PlainMemory())
      let start = frame.address.rawValue
      let place =
        "{\"start\":\"0x\(String(start, radix: 16))\","
        + "\"end\":\"0x\(String(start + 4096, radix: 16))\",\"frames\":1,"
      #expect(dump.contains(place + "\"state\":\"shared\",\"usage\":\"object\"}"))
      let second = frame.share()
      #expect(dump.contains(place + "\"state\":\"shared\",\"usage\":\"object\"}"))
      _ = consume second
      _ = consume frame
      FrameAllocator.drainCache()
      #expect(dump == before)
      #expect(machine.violations == [])
    }

    @Test func `a unique frame and the tails of a large one have other states`() throws {
      let unique = try UniqueFrame(allocating: PlainMemory())
      let large = try Frame(
        allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
      let lines = dump
      #expect(lines.count { $0.hasSuffix("\"state\":\"unique\",\"usage\":\"object\"}") } == 1)
      #expect(
        lines.count {
          $0.hasSuffix("\"frames\":511,\"state\":\"tail\",\"usage\":\"tail\"}")
        } == 1)
      _ = consume unique
      _ = consume large
      #expect(machine.violations == [])
    }
  }
}
