import CTessera
import Foundation
import SimulatedMachine
import Synchronization
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// In which order a cursor takes its locks, and that it lets go of all of them.
  @Suite("Locks of a cursor") struct CursorLockTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512, processorCount: 2)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let oneGiB = PageSize.oneGiB.byteCount

    /// The nodes of `space` that a cursor over its first 2 GiB locks, in order: the one that covers
    /// the range, then each with those below it.
    private func makeNodes(of space: borrowing VmSpace) throws -> [PageTableNode] {
      let places = [0x5000, Self.twoMiB + 0x5000, Self.oneGiB, Self.oneGiB + Self.twoMiB]
      for place in places { try mapFrame(at: place, in: space) }
      let route: [(UInt64, Int)] = [
        (0, 3), (0, 2), (0, 1), (Self.twoMiB, 1),
        (Self.oneGiB, 2), (Self.oneGiB, 1), (Self.oneGiB + Self.twoMiB, 1),
      ]
      return try route.map { try #require(space.rootNode.node(for: $0.0, at: $0.1)) }
    }

    @Test(arguments: 0..<7) func `locks are taken from above, and by ascending address`(
      held: Int
    ) throws {
      let space = try VmSpace()
      let nodes = try makeNodes(of: space)
      let root = space.rootNode
      let taken = Mutex<[Bool]>([])
      // Where another cursor is, this one waits, with all the locks before and none of those after.
      nodes[held].acquireLock()
      machine.onEveryProcessor { processor in
        if processor == 1 {
          _ = Cursor(locking: bytes(0, 2 * Self.oneGiB), of: root)
          return
        }
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
          if nodes[..<held].allSatisfy({ $0.isLocked }) { break }
          sched_yield()
        }
        // Long enough to take a lock that should not be taken.
        usleep(2000)
        taken.withLock { $0 = nodes.map { $0.isLocked } }
        nodes[held].releaseLock()
      }
      #expect(taken.withLock { $0 } == nodes.indices.map { $0 <= held })
      #expect(nodes.allSatisfy { !$0.isLocked })
    }

    @Test(arguments: [4096, 40 * 4096, 1 << 30])
    func `what is owed is paid while the locks are held`(byteCount: UInt64) throws {
      let space = try VmSpace()
      space.activate()
      try mapSegment(40, at: 0, in: space)
      try mapFrame(at: Self.oneGiB, in: space)
      let covering = byteCount < Self.twoMiB ? 1 : 2
      let watch = LockWatch(try #require(space.rootNode.node(for: 0, at: covering)))
      do {
        var cursor = try space.cursor(over: bytes(0, byteCount))
        try cursor.unmap(byteCount)
        #expect(LockWatch.seen == [])
      }
      watch.stop()
      #expect(LockWatch.seen.first == true)
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `a node that was emptied is invalidated while its parent is locked`() throws {
      let space = try VmSpace()
      space.activate()
      try mapFrame(at: 0x5000, in: space)
      try mapFrame(at: Self.twoMiB, in: space)
      let watch = LockWatch(try #require(space.rootNode.node(for: 0, at: 2)))
      do {
        var cursor = try space.cursor(over: bytes(0, 0x10_0000))
        try cursor.unmap(0x10_0000)
      }
      watch.stop()
      #expect(LockWatch.seen == [false, true], "the page, and then its table")
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    /// Unmaps the only page of the first leaf table, and lets `body` do something with the table
    /// while the frame is let go: when the cursor has no lock any more, and before the table is
    /// taken out. Returns the nodes of levels 1 and 2.
    private func emptyFirstTable(
      of space: borrowing VmSpace, _ body: @escaping (PageTableNode) -> Void
    ) throws -> [PageTableNode] {
      try mapFrame(at: Self.twoMiB, in: space)
      let root = space.rootNode
      Interruption.arm {
        // Who waits for a lock of this very cursor waits for ever.
        let table = root.node(for: 0x5000, at: 1)
        guard table?.isLocked == false else { return }
        body(root)
      }
      var frame: Frame<Interruption>? = try Frame(allocating: Interruption())
      do {
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.map(&frame, as: .userReadWrite)
      }
      let nodes = try [1, 2].map { try #require(root.node(for: 0x5000, at: $0)) }
      do {
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.unmap(4096)
      }
      #expect(Interruption.isOver)
      return nodes
    }

    /// Maps memory that is nobody's in the page after.
    private static func mapNext(under root: PageTableNode) {
      var cursor = Cursor(locking: bytes(0x6000, 4096), of: root)
      let device = PhysicalAddress(0x10_0000_0000)
      do {
        try unsafe cursor.mapDevice(device, byteCount: 4096, as: .userReadWrite)
      } catch { return }
    }

    @Test func `a table that is in use again when it is to be taken out stays, unlocked`() throws {
      let space = try VmSpace()
      let nodes = try emptyFirstTable(of: space) { Self.mapNext(under: $0) }
      #expect(nodes.allSatisfy { !$0.isLocked && !$0.isDetached })
      #expect(space.rootNode.node(for: 0x6000, at: 1)?.address == nodes[0].address)
      #expect(space.translate(VirtualAddress(0x6000)) != nil)
      #expect(space.problems == [])
    }

    @Test func `a table that is gone when it is to be taken out leaves its parent unlocked`() throws
    {
      let space = try VmSpace()
      let nodes = try emptyFirstTable(of: space) { root in
        Self.mapNext(under: root)
        var cursor = Cursor(locking: bytes(0x6000, 4096), of: root)
        do { _ = try cursor.unmap(4096) } catch { return }
      }
      #expect(!nodes[1].isLocked && !nodes[1].isDetached)
      #expect(space.rootNode.node(for: 0x5000, at: 1) == nil)
      #expect(space.rootNode.node(for: 0x5000, at: 2)?.address == nodes[1].address)
      #expect(space.problems == [])
    }
  }
}

/// Whether a node is locked each time that a processor invalidates something.
private final class LockWatch {
  /// Access: by the thread of the test, which is the only one.
  nonisolated(unsafe) private static var node: PageTableNode?
  nonisolated(unsafe) private(set) static var seen: [Bool] = []

  init(_ node: PageTableNode) {
    Self.node = node
    Self.seen = []
    var observer = simulated_observer(
      context: nil,
      entry_write: { _, _, _, _, _ in },
      frame_free: { _, _, _, _ in },
      control: { _, _, _, _, _ in LockWatch.seen.append(LockWatch.node?.isLocked == true) },
      user_copy: { _, _, _, _, _, _ in 0 })
    simulated_install_observer(&observer)
  }

  func stop() { simulated_install_observer(nil) }
}

/// Metadata of a frame with which something happens while it is let go.
private struct Interruption: UntypedFrameMetadata {
  /// Access: by the thread of the test, which is the only one.
  nonisolated(unsafe) private static var body: (() -> Void)?

  static var isOver: Bool { body == nil }

  static func arm(_ body: @escaping () -> Void) { Self.body = body }

  static var destructor: FrameMetadataDestructor { { unsafe Interruption.destroy(at: $0) } }

  mutating func onDrop(_ contents: FrameContents) {
    let body = Self.body
    Self.body = nil
    body?()
  }
}
