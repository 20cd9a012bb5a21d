import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// What a cursor that reserves nodes promises, and what it does not.
  @Suite("Node reservations") struct NodeReservationTests {
    let machine: SimulatedMachine
    private static let twoMiB: UInt64 = 2 << 20

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    /// Runs `body` on a cursor that reserves nodes, with every further allocation failing.
    private func withReservation(
      over range: Range<VirtualAddress>, of space: borrowing VmSpace,
      _ body: (inout Cursor) throws -> Void
    ) throws {
      do {
        var cursor = try space.cursor(over: range, reservingNodes: true)
        machine.failAllocation(1)
        defer { machine.failAllocation(0) }
        try body(&cursor)
        #expect(!machine.hasFailedAllocation, "a node was allocated although some are reserved")
      }
      #expect(space.problems == [])
    }

    @Test func `every page of the range can be mapped in any order and size`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        let start = (1 << 39) - Self.twoMiB - 4096
        let frame = try Frame(allocating: PlainMemory())
        try withReservation(over: bytes(start, 2 * Self.twoMiB + 8192), of: space) { cursor in
          // Outermost first, from both sides: each pair lies in other tables.
          let places = [0, 2 * Self.twoMiB + 4096, 4096, Self.twoMiB, Self.twoMiB + 4096]
          for place in places {
            var next: Frame<PlainMemory>? = frame.share()
            try cursor.jump(to: VirtualAddress(start + place))
            try cursor.map(&next, as: .userReadWrite)
          }
          try cursor.jump(to: VirtualAddress(start + 8192))
          try cursor.setStatus(Self.twoMiB - 8192, to: 7)
          try cursor.jump(to: VirtualAddress(start))
          try cursor.protect(2 * Self.twoMiB + 8192, to: .read)
        }
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used, "what was not used is freed")
      #expect(machine.violations == [])
    }

    @Test func `large pages across both ends, and what they become, can be split`() throws {
      let space = try VmSpace()
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 2 << 30, in: space)
      let start: UInt64 = 2 << 30 - 3 * 4096
      try withReservation(over: bytes(start, 6 * 4096), of: space) { cursor in
        try cursor.change(4096, by: PageChange(removing: .write))
        try cursor.protect(4096, to: .none)
        try cursor.unmap(4096)
        try cursor.setStatus(4096 * 0, to: 1)
        try cursor.protect(3 * 4096, to: .read)
      }
    }

    @Test func `copies that need fewer nodes than was thought give the others back`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      // A table that is not empty, of which only empty parts are copied.
      try mapFrame(at: 1 << 30, in: parent)
      try mapFrame(at: 1 << 30 + 511 << 12, in: parent)
      try withReservation(over: bytes(1 << 30, Self.twoMiB), of: child) { cursor in
        var source = try parent.cursor(over: bytes(1 << 30, Self.twoMiB))
        for page in 1..<100 as Range<UInt64> {
          try cursor.jump(to: VirtualAddress(1 << 30 + page << 12))
          try source.jump(to: VirtualAddress(1 << 30 + page << 12))
          try cursor.copy(from: &source, 4096)
        }
        try cursor.jump(to: VirtualAddress(1 << 30))
        try source.jump(to: VirtualAddress(1 << 30))
        try cursor.copy(from: &source, Self.twoMiB)
      }
      #expect(child.translate(VirtualAddress(1 << 30)) != nil)
    }

    @Test func `a request for more nodes than there are frames fails before any is taken`() throws {
      let space = try VmSpace()
      let free = NodePool.availableFrameCount
      machine.failAllocation(1)
      #expect(throws: TesseraError.outOfFrames) {
        _ = try space.cursor(over: bytes(0, 1 << 46), reservingNodes: true)
      }
      #expect(!machine.hasFailedAllocation, "something was allocated")
      machine.failAllocation(0)
      #expect(throws: TesseraError.outOfFrames) {
        var cursor = try space.cursor(over: bytes(0, 1 << 36))
        machine.failAllocation(1)
        // Not congruent, so that it takes small pages.
        try unsafe cursor.mapDevice(
          PhysicalAddress(0x40_0000_1000), byteCount: 1 << 36, as: .userReadWrite)
      }
      #expect(!machine.hasFailedAllocation, "something was allocated")
      machine.failAllocation(0)
      #expect(NodePool.availableFrameCount == free)
      #expect(space.problems == [])
    }

    @Test func `an operation that fails leaves the reservation as it was`() throws {
      let space = try VmSpace()
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 1 << 30, in: space)
      let frame = try Frame(allocating: PlainMemory())
      try withReservation(over: bytes(1 << 30 - 4096, 12288), of: space) { cursor in
        for _ in 0..<20 {
          #expect(throws: TesseraError.alreadyMapped(VirtualAddress(1 << 30))) {
            try cursor.setStatus(8192, to: 1)
          }
        }
        var next: Frame<PlainMemory>? = frame.share()
        try cursor.map(&next, as: .userReadWrite)
        try cursor.protect(4096, to: .read)
      }
    }
  }
}
