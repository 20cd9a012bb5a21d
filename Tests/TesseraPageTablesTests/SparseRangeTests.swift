import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The cost of sparse ranges far larger than memory depends on the mapped pages, not on the span.
  @Suite("Sparse ranges") struct SparseRangeTests {
    let machine: SimulatedMachine
    private static let oneGiB = PageSize.oneGiB.byteCount

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    private func range(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
      VirtualAddress(start)..<VirtualAddress(start + byteCount)
    }

    private func content(of space: borrowing VmSpace, at address: UInt64) throws -> PageRun {
      let cursor = try space.cursor(over: range(address, 4096))
      return try cursor.query()
    }

    @Test func `a status over many GiB allocates few nodes, and mapping a page splits it`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        do {
          var cursor = try space.cursor(over: range(0x1000, 700 * Self.oneGiB))
          try cursor.setStatus(700 * Self.oneGiB, to: 7)
        }
        #expect(FrameAllocator.statistics.usedFrameCount < used + 10)
        #expect(try content(of: space, at: 0x1000).content == .status(7))
        #expect(try content(of: space, at: 0).content == .absent)
        #expect(try content(of: space, at: 700 * Self.oneGiB).content == .status(7))
        #expect(try content(of: space, at: 700 * Self.oneGiB + 0x1000).content == .absent)
        do {
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          let place = 5 * Self.oneGiB + 0x5000
          var cursor = try space.cursor(over: range(place, 4096))
          try cursor.map(&frame, as: .userReadWrite)
        }
        #expect(space.translate(VirtualAddress(5 * Self.oneGiB + 0x5000)) != nil)
        #expect(try content(of: space, at: 5 * Self.oneGiB + 0x4000).content == .status(7))
        #expect(try content(of: space, at: 5 * Self.oneGiB + 0x6000).content == .status(7))
        do {
          var cursor = try space.cursor(over: range(0, 701 * Self.oneGiB))
          let unmapped = try cursor.unmap(701 * Self.oneGiB)
          #expect(unmapped == 4096)
        }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used + 1)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `a fork of a sparse space allocates only nodes for mapped pages`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let parent = try VmSpace()
        let child = try VmSpace()
        let places = [0x1000, 3 * Self.oneGiB, 1 << 40 | 0x20_0000] as [UInt64]
        for place in places {
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          var cursor = try parent.cursor(over: range(place, 4096))
          try cursor.map(&frame, as: .userReadWrite)
        }
        let size = VmSpace.end.rawValue
        do {
          var source = try parent.cursor(over: range(0, size))
          var target = try child.cursor(over: range(0, size))
          try target.copy(from: &source, size)
          let isDone = source.isAtEnd && target.isAtEnd
          #expect(isDone)
        }
        for place in places {
          let address = VirtualAddress(place)
          #expect(parent.translate(address)?.address == child.translate(address)?.address)
          #expect(parent.translate(address)?.property.access == .read)
          #expect(child.translate(address)?.property.access == .read)
        }
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `a copy to a misaligned address splits large runs`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let parent = try VmSpace()
        let child = try VmSpace()
        let device = PhysicalAddress(0x8000_0000)
        do {
          var cursor = try parent.cursor(over: range(0x40_0000, 0x20_0000))
          try unsafe cursor.mapDevice(device, byteCount: 0x20_0000, as: .userReadWrite)
        }
        do {
          var source = try parent.cursor(over: range(0x40_0000, 0x20_0000))
          var target = try child.cursor(over: range(0x1000, 0x20_0000))
          try target.copy(from: &source, 0x20_0000)
        }
        #expect(child.translate(VirtualAddress(0x1000))?.address == device)
        #expect(child.translate(VirtualAddress(0x20_0fff))?.address == device + 0x1f_ffff)
        #expect(parent.translate(VirtualAddress(0x41_2345))?.address == device + 0x1_2345)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
    }

    @Test func `device memory of many GiB allocates at most two nodes`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        do {
          var cursor = try space.cursor(over: range(0, 64 * Self.oneGiB))
          let device = PhysicalAddress(64 * Self.oneGiB)
          try unsafe cursor.mapDevice(device, byteCount: 64 * Self.oneGiB, as: .userReadWrite)
        }
        #expect(try content(of: space, at: 0).byteCount == Self.oneGiB)
        #expect(
          space.translate(VirtualAddress(40 * Self.oneGiB + 5))?.address
            == PhysicalAddress(104 * Self.oneGiB + 5))
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
    }
  }
}
