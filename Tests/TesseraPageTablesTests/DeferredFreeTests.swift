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

    @Test func `frames of a dropped space are freed when it is deactivated`() throws {
      do {
        let space = try VmSpace()
        try mapObservingFrames(9, in: space)
        space.activate()
      }
      #expect(ObservingMemory.freedCount == 0)
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
