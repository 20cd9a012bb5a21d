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
  /// The order in which a cursor acquires its locks, and their release.
  @Suite("Cursor locks") struct CursorLockTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512, processorCount: 2)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let oneGiB = PageSize.oneGiB.byteCount

    /// The nodes of `space` that a cursor over its first 2 GiB locks, in order: the covering node,
    /// then its descendants in depth-first order.
    private func makeNodes(of space: borrowing VmSpace) throws -> [PageTableNode] {
      let places = [0x5000, Self.twoMiB + 0x5000, Self.oneGiB, Self.oneGiB + Self.twoMiB]
      for place in places { try mapFrame(at: place, in: space) }
      let route: [(UInt64, Int)] = [
        (0, 3), (0, 2), (0, 1), (Self.twoMiB, 1),
        (Self.oneGiB, 2), (Self.oneGiB, 1), (Self.oneGiB + Self.twoMiB, 1),
      ]
      return try route.map { try #require(space.rootNode.node(for: $0.0, at: $0.1)) }
    }

    @Test(arguments: 0..<7) func `locks are acquired top down, by ascending address`(
      held: Int
    ) throws {
      let space = try VmSpace()
      let nodes = try makeNodes(of: space)
      let root = space.rootNode
      let taken = Mutex<[Bool]>([])
      // The cursor waits at the locked node, with all locks before it and none after it.
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
        // Long enough to acquire a lock in the wrong order.
        usleep(2000)
        taken.withLock { $0 = nodes.map { $0.isLocked } }
        nodes[held].releaseLock()
      }
      #expect(taken.withLock { $0 } == nodes.indices.map { $0 <= held })
      #expect(nodes.allSatisfy { !$0.isLocked })
    }

    @Test(arguments: [4096, 40 * 4096, 1 << 30])
    func `invalidations are flushed while the locks are held`(byteCount: UInt64) throws {
      let space = try VmSpace()
      space.activate()
      try mapSegment(40, at: 0, in: space)
      try mapFrame(at: Self.oneGiB, in: space)
      let covering = byteCount < Self.twoMiB ? 1 : 3
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

    @Test func `an emptied node is invalidated while its parent is locked`() throws {
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

    /// Unmaps the only page of the first leaf table, and runs `body` while the frame is freed: the
    /// cursor has released its locks, but the table is not removed yet. Returns the nodes of levels
    /// 1 and 2.
    private func emptyFirstTable(
      of space: borrowing VmSpace, _ body: @escaping (PageTableNode) -> Void
    ) throws -> [PageTableNode] {
      try mapFrame(at: Self.twoMiB, in: space)
      let root = space.rootNode
      Interruption.arm {
        // Acquiring a lock that this cursor still holds would deadlock.
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

    /// Maps unowned memory in the next page.
    private static func mapNext(under root: PageTableNode) {
      var cursor = Cursor(locking: bytes(0x6000, 4096), of: root)
      let device = PhysicalAddress(0x10_0000_0000)
      do {
        try unsafe cursor.mapDevice(device, byteCount: 4096, as: .userReadWrite)
      } catch { return }
    }

    @Test func `an emptied table that is used again before its removal stays, unlocked`() throws {
      let space = try VmSpace()
      let nodes = try emptyFirstTable(of: space) { Self.mapNext(under: $0) }
      #expect(nodes.allSatisfy { !$0.isLocked && !$0.isDetached })
      #expect(space.rootNode.node(for: 0x6000, at: 1)?.address == nodes[0].address)
      #expect(space.translate(VirtualAddress(0x6000)) != nil)
      #expect(space.problems == [])
    }

    @Test func `an emptied table that is locked before its removal stays`() throws {
      let space = try VmSpace()
      let nodes = try emptyFirstTable(of: space) { $0.node(for: 0x5000, at: 1)?.acquireLock() }
      #expect(nodes[0].isLocked && !nodes[0].isDetached)
      #expect(!nodes[1].isLocked)
      #expect(space.rootNode.node(for: 0x5000, at: 1)?.address == nodes[0].address)
      nodes[0].releaseLock()
      #expect(space.problems == [])
    }

    @Test func `an emptied table removed by another cursor leaves its parent unlocked`() throws {
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

/// Observes whether a node is locked at each invalidation.
private final class LockWatch {
  /// Access: single-threaded, by the test only.
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

/// Metadata that runs a closure when its frame is freed.
private struct Interruption: UntypedFrameMetadata {
  /// Access: single-threaded, by the test only.
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
