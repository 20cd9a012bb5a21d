import SimulatedMachine
import Tessera
import Testing

extension OnSimulatedMachine {
  @Suite("Disabled invalidations") struct InvalidationSwitchTests {
    let machine = SimulatedMachine(frameCount: 256)

    init() throws { try machine.startKernelSpace() }

    /// Maps and unmaps a page in an active space. Returns the number of invalidated pages.
    private func invalidatedByUnmapping(in space: borrowing VmSpace) throws -> UInt64 {
      let page = VirtualAddress(0x5000)..<VirtualAddress(0x6000)
      let neighbour = VirtualAddress(0x6000)..<VirtualAddress(0x7000)
      if space.translate(neighbour.lowerBound) == nil { try map(neighbour, in: space) }
      try map(page, in: space)
      let before = FlushStatistics.pageCount
      do {
        var cursor = try space.cursor(over: page)
        try cursor.unmap(4096)
      }
      return FlushStatistics.pageCount - before
    }

    private func map(_ range: Range<VirtualAddress>, in space: borrowing VmSpace) throws {
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var cursor = try space.cursor(over: range)
      try cursor.map(&frame, as: .userReadWrite)
    }

    @Test func `disabled invalidations flush nothing, and frames are still freed`()
      throws
    {
      let space = try VmSpace()
      space.activate()
      #expect(try invalidatedByUnmapping(in: space) == 1)
      let used = FrameAllocator.statistics.usedFrameCount
      unsafe FlushSwitch.turn(off: true)
      #expect(try invalidatedByUnmapping(in: space) == 0)
      unsafe FlushSwitch.turn(off: false)
      #expect(try invalidatedByUnmapping(in: space) == 1)
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      VmSpace.deactivate()
    }
  }
}
