import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  @Suite("Frame") struct FrameTests {
    let machine = SimulatedMachine(frameCount: 16, reserved: 4)

    @Test func `a frame with two handles is freed by the second`() throws {
      let before = FrameAllocator.statistics.usedFrameCount
      let first = try Frame(allocating: PlainMemory())
      let second = first.share()
      #expect(second.referenceCount == 2)
      _ = consume first
      #expect(second.referenceCount == 1)
      #expect(FrameAllocator.statistics.usedFrameCount == before + 1)
      _ = consume second
      #expect(FrameAllocator.statistics.usedFrameCount == before)
      #expect(machine.violations == [])
    }

  }
}
