import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// In what state everything is when the last mapping of a frame lets it go.
  @Suite("Letting go of mapped frames") struct DeferredFreeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      BusyMemory.goneCount = 0
      BusyMemory.failures = []
      BusyMemory.nodes = []
    }

    private static let page: UInt64 = 0x5000

    /// Maps `count` new frames from `page` on that look around when they go.
    private func mapBusyFrames(_ count: Int, in space: borrowing VmSpace) throws {
      var segment: Segment<BusyMemory>? = try Segment(allocating: count) { _ in BusyMemory() }
      do {
        var cursor = try space.cursor(over: bytes(Self.page, UInt64(count) * 4096))
        try cursor.map(&segment, as: .userReadWrite)
      }
      try watchNodes(of: space)
    }

    /// Has frames that go look at the nodes of `space` that lead to them. Those may be gone by
    /// then, but not their slots.
    private func watchNodes(of space: borrowing VmSpace) throws {
      BusyMemory.nodes = []
      for level in 1...4 {
        BusyMemory.nodes.append(try #require(space.rootNode.node(for: Self.page, at: level)))
      }
    }

    /// Expects that so many frames went, and that none of them was in anybody's way.
    private func expectGone(_ count: Int) {
      #expect(BusyMemory.goneCount == count)
      #expect(BusyMemory.failures == [])
      #expect(machine.violations == [])
    }

    @Test(arguments: [1, 3, 20])
    func `unmapped frames go when the cursor has let its locks go`(count: Int) throws {
      let space = try VmSpace()
      try mapBusyFrames(count, in: space)
      try mapFrame(at: 0x10_0000, in: space)
      space.activate()
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 30))
        try cursor.jump(to: VirtualAddress(Self.page))
        try cursor.unmap(UInt64(count) * 4096)
        #expect(BusyMemory.goneCount == 0, "they are held until the cursor closes")
      }
      expectGone(count)
      VmSpace.deactivate()
    }

    @Test func `a replaced frame goes when the cursor has let its locks go`() throws {
      let space = try VmSpace()
      try mapBusyFrames(1, in: space)
      do {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        var cursor = try space.cursor(over: bytes(Self.page, 4096))
        try cursor.replace(with: &frame, as: .userReadWrite)
        #expect(BusyMemory.goneCount == 0, "it is held until the cursor closes")
      }
      expectGone(1)
    }

    @Test func `frames below a table that was taken out go when the locks are gone`() throws {
      let space = try VmSpace()
      try mapBusyFrames(9, in: space)
      try mapFrame(at: 1 << 39, in: space)
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 40))
        try cursor.unmap(1 << 39)
        #expect(BusyMemory.goneCount == 0, "they are held until the cursor closes")
      }
      expectGone(9)
    }

    @Test func `frames go with the last space that maps them`() throws {
      do {
        let second = try VmSpace()
        do {
          let first = try VmSpace()
          try mapBusyFrames(9, in: first)
          var source = try first.cursor(over: bytes(0, 1 << 30))
          var cursor = try second.cursor(over: bytes(0, 1 << 30))
          try cursor.copy(from: &source, 1 << 30)
        }
        try watchNodes(of: second)
        #expect(BusyMemory.goneCount == 0)
      }
      expectGone(9)
    }

    @Test func `frames go when the processor leaves the space that was dropped`() throws {
      do {
        let space = try VmSpace()
        try mapBusyFrames(9, in: space)
        space.activate()
      }
      #expect(BusyMemory.goneCount == 0)
      VmSpace.deactivate()
      expectGone(9)
    }
  }
}

/// Memory that looks around when it goes, and allocates: no lock of the nodes may be held, nor the
/// allocator's.
private struct BusyMemory: UntypedFrameMetadata {
  static var destructor: FrameMetadataDestructor { { unsafe BusyMemory.destroy(at: $0) } }

  /// Access: by the thread of the test, which is the only one.
  nonisolated(unsafe) static var goneCount = 0
  nonisolated(unsafe) static var failures: [String] = []
  /// The nodes on the way to the frames.
  nonisolated(unsafe) static var nodes: [PageTableNode] = []

  mutating func onDrop(_ contents: FrameContents) {
    Self.goneCount += 1
    for node in Self.nodes where node.slot.kind.usage == .pageTable && node.isLocked {
      Self.failures.append("a node of level \(node.level.number) is locked")
    }
    do { _ = try Segment(allocating: 3) { _ in PlainMemory() } } catch {
      Self.failures.append("\(error)")
    }
  }
}
