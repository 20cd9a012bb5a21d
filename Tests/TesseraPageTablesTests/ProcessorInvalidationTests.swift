import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Invalidation on any processor") struct ProcessorInvalidationTests {
    @Test(arguments: [1, 2, 31, 32, 63])
    func `a change flushes on the processor that makes it`(number: Int) throws {
      let machine = SimulatedMachine(frameCount: 1024, processorCount: 64)
      try machine.startKernelSpace()
      try machine.startProcessors()
      try asProcessor(number) { try expectFlushes(on: machine, number) }
      #expect(machine.violations == [])
    }

    private func expectFlushes(on machine: SimulatedMachine, _ number: Int) throws {
      _ = machine.mmu
      let space = try VmSpace()
      try mapFrame(at: 1 << 30 + 511 << 12, in: space)
      try mapSegment(100, at: 1 << 30, in: space)
      space.activate()
      #expect(space.activeProcessorCount == 1)
      func flushes(_ change: (inout Cursor) throws -> Void) throws -> [UInt64] {
        let before = (FlushStatistics.pageCount, FlushStatistics.fullFlushCount)
        for page in 0..<100 as Range<UInt64> {
          _ = try? machine.mmu.read(UInt64.self, at: 1 << 30 + page << 12, on: number)
        }
        do {
          var cursor = try space.cursor(over: bytes(1 << 30, 100 * 4096))
          try change(&cursor)
        }
        machine.checkCoherent()
        return [
          FlushStatistics.pageCount - before.0, FlushStatistics.fullFlushCount - before.1,
        ]
      }
      #expect(try flushes { try $0.unmap(4096) } == [1, 0])
      #expect(
        try flushes {
          try $0.jump(to: VirtualAddress(1 << 30 + 0x2000))
          try $0.protect(2 * 4096, to: .read)
        } == [2, 0])
      #expect(
        try flushes {
          try $0.jump(to: VirtualAddress(1 << 30 + 0x5000))
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          try $0.replace(with: &frame, as: .userReadWrite)
        } == [1, 0])
      #expect(try flushes { try $0.unmap(50 * 4096) } == [0, 1])
      VmSpace.deactivate()
      #expect(try flushes { try $0.unmap(100 * 4096) } == [0, 0])
    }
  }
}
