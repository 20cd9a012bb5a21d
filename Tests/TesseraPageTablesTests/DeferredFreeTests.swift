import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Frames are freed after the TLB flush and after the release of all locks.
  @Suite("Deferred free") struct DeferredFreeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      ObservingMemory.freedCount = 0
      ObservingMemory.failures = []
      ObservingMemory.nodes = []
    }

    private static let page: UInt64 = 0x5000

    /// Maps `count` new frames at `page` that check the locks when they are freed.
    private func mapObservingFrames(_ count: Int, in space: borrowing VmSpace) throws {
      var segment: Segment<ObservingMemory>? = try Segment(allocating: count) { _ in
        ObservingMemory()
      }
      do {
        var cursor = try space.cursor(over: bytes(Self.page, UInt64(count) * 4096))
        try cursor.map(&segment, as: .userReadWrite)
      }
      try watchNodes(of: space)
    }

    /// Sets the nodes that freed frames check to those of `space` on the way to them. The nodes may
    /// be freed by then, but not their slots.
    private func watchNodes(of space: borrowing VmSpace) throws {
      ObservingMemory.nodes = []
      for level in 1...4 {
        ObservingMemory.nodes.append(try #require(space.rootNode.node(for: Self.page, at: level)))
      }
    }

    /// Expects that `count` frames were freed, without a lock held.
    private func expectFreed(_ count: Int) {
      #expect(ObservingMemory.freedCount == count)
      #expect(ObservingMemory.failures == [])
      #expect(machine.violations == [])
    }

    @Test(arguments: [1, 3, 20])
    func `unmapped frames are freed after the cursor releases its locks`(count: Int) throws {
      let space = try VmSpace()
      try mapObservingFrames(count, in: space)
      try mapFrame(at: 0x10_0000, in: space)
      space.activate()
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 30))
        try cursor.jump(to: VirtualAddress(Self.page))
        try cursor.unmap(UInt64(count) * 4096)
        #expect(ObservingMemory.freedCount == 0, "freed before the cursor closes")
      }
      expectFreed(count)
      VmSpace.deactivate()
    }

    /// More long runs than fit in a table, so that the cursor has to flush early.
    @Test func `no frame is freed while nodes are locked, however many are unmapped`() throws {
      let space = try VmSpace()
      let runs = 20
      let byteCount = try mapLongRuns(runs, in: space)
      try watchNodes(of: space)
      space.activate()
      let flushes = FlushStatistics.fullFlushCount
      do {
        var cursor = try space.cursor(over: bytes(Self.page, byteCount))
        try cursor.unmap(byteCount)
        #expect(FlushStatistics.fullFlushCount > flushes, "there was room for all")
        #expect(ObservingMemory.freedCount == 0, "freed before the cursor closes")
      }
      expectFreed(9 * runs)
      VmSpace.deactivate()
    }

    /// Each of the tables of runs is held by an open cursor.
    @Test func `a cursor that gets no table for its runs flushes early, and frees at its end`()
      throws
    {
      let machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      try unmapWithOpenCursors(32)
      #expect(ObservingMemory.freedCount == 33 * 18)
      #expect(ObservingMemory.failures == [])
      #expect(machine.violations == [])
    }

    /// Unmaps two long runs of a space, then calls itself `count` times before the cursor closes.
    private func unmapWithOpenCursors(_ count: Int) throws {
      let space = try VmSpace()
      let byteCount = try mapLongRuns(2, in: space)
      let (flushes, freed) = (FlushStatistics.fullFlushCount, ObservingMemory.freedCount)
      var cursor = try space.cursor(over: bytes(Self.page, byteCount))
      try cursor.unmap(byteCount)
      #expect(FlushStatistics.fullFlushCount == flushes + (count == 0 ? 1 : 0))
      #expect(ObservingMemory.freedCount == freed)
      if count > 0 { try unmapWithOpenCursors(count - 1) }
    }

    /// Maps `count` runs of nine frames, no two of which are contiguous. Returns the number of
    /// bytes.
    private func mapLongRuns(_ count: Int, in space: borrowing VmSpace) throws -> UInt64 {
      let byteCount = UInt64(count) * 9 * 4096
      var gaps: [PhysicalAddress] = []
      do {
        var cursor = try space.cursor(over: bytes(Self.page, byteCount))
        for _ in 0..<count {
          var run: Segment<ObservingMemory>? = try Segment(allocating: 9) { _ in ObservingMemory() }
          try cursor.map(&run, as: .userReadWrite)
          gaps.append(try FrameAllocator.allocate(7))
        }
      }
      for gap in gaps { FrameAllocator.free(gap, 7) }
      return byteCount
    }

    @Test func `a replaced frame is freed after the cursor releases its locks`() throws {
      let space = try VmSpace()
      try mapObservingFrames(1, in: space)
      do {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        var cursor = try space.cursor(over: bytes(Self.page, 4096))
        try cursor.replace(with: &frame, as: .userReadWrite)
        #expect(ObservingMemory.freedCount == 0, "freed before the cursor closes")
      }
      expectFreed(1)
    }

    @Test func `frames below a removed table are freed after the locks are released`() throws {
      let space = try VmSpace()
      try mapObservingFrames(9, in: space)
      try mapFrame(at: 1 << 39, in: space)
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 40))
        try cursor.unmap(1 << 39)
        #expect(ObservingMemory.freedCount == 0, "freed before the cursor closes")
      }
      expectFreed(9)
    }

    @Test func `frames are freed with the last space that maps them`() throws {
      do {
        let second = try VmSpace()
        do {
          let first = try VmSpace()
          try mapObservingFrames(9, in: first)
          var source = try first.cursor(over: bytes(0, 1 << 30))
          var cursor = try second.cursor(over: bytes(0, 1 << 30))
          try cursor.copy(from: &source, 1 << 30)
        }
        try watchNodes(of: second)
        #expect(ObservingMemory.freedCount == 0)
      }
      expectFreed(9)
    }

    @Test func `frames of a space that is dropped while it is active are freed at once`() throws {
      do {
        let space = try VmSpace()
        try mapObservingFrames(9, in: space)
        space.activate()
      }
      expectFreed(9)
      VmSpace.deactivate()
      expectFreed(9)
    }
  }
}

/// Metadata that allocates and checks the locks when its frame is freed: neither a node's lock nor
/// the allocator's may be held.
private struct ObservingMemory: UntypedFrameMetadata {
  static var destructor: FrameMetadataDestructor { { unsafe ObservingMemory.destroy(at: $0) } }

  /// Access: single-threaded, by the test only.
  nonisolated(unsafe) static var freedCount = 0
  nonisolated(unsafe) static var failures: [String] = []
  /// The nodes on the way to the frames.
  nonisolated(unsafe) static var nodes: [PageTableNode] = []

  mutating func onDrop(_ contents: FrameContents) {
    Self.freedCount += 1
    for node in Self.nodes where node.slot.kind.usage == .pageTable && node.isLocked {
      Self.failures.append("a node of level \(node.level.number) is locked")
    }
    do { _ = try Segment(allocating: 3) { _ in PlainMemory() } } catch {
      Self.failures.append("\(error)")
    }
  }
}
