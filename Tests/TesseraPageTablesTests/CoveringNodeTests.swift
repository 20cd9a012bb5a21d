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
  /// The node that covers a range: added where it is missing, and removed if it stays empty.
  @Suite("Covering nodes") struct CoveringNodeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      _ = machine.mmu
      NodePool.drain()
    }

    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let oneGiB = PageSize.oneGiB.byteCount

    @Test(arguments: [2 << 20, 1 << 30, 1 << 39, 1 << 40] as [UInt64])
    func `cursors over pages of a new space are open at once`(distance: UInt64) throws {
      let space = try VmSpace()
      do {
        var first = try space.cursor(over: bytes(0x5000, 4096))
        var second = try space.cursor(over: bytes(0x5000 + distance, 4096))
        try second.setStatus(4096, to: 2)
        try first.setStatus(4096, to: 1)
        let third = try space.cursor(over: bytes(0x5000 + 2 * distance, 8192))
        #expect(try third.query().content == .absent)
      }
      do {
        let first = try space.cursor(over: bytes(0x5000, 4096))
        let second = try space.cursor(over: bytes(0x5000 + distance, 4096))
        #expect(try first.query().content == .status(1))
        #expect(try second.query().content == .status(2))
      }
      #expect(space.rootNode.node(for: 0x5000 + 2 * distance, at: 1) == nil)
      #expect(space.problems == [])
    }

    @Test(arguments: [false, true])
    func `a cursor over an empty page and an unmap of the last page beside it work together`(
      isOpenedFirst: Bool
    ) throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        space.activate()
        let root = space.rootNode
        try mapFrame(at: 0x1f_f000, in: space)
        if isOpenedFirst {
          var empty = try space.cursor(over: bytes(0x20_0000, 4096))
          try Self.unmap(0x1f_f000, in: space)
          try empty.setStatus(4096, to: 1)
        } else {
          var last = try space.cursor(over: bytes(0x1f_f000, 4096))
          try last.unmap(4096)
          var empty = try space.cursor(over: bytes(0x20_0000, 4096))
          try empty.setStatus(4096, to: 1)
        }
        #expect(root.node(for: 0x1f_f000, at: 1) == nil, "the emptied table is gone")
        try Self.unmap(0x20_0000, in: space)
        #expect(root.presentCount == 0, "nothing is left")
        #expect(space.problems == [])
        machine.checkCoherent(ignoringAccessed: true)
        VmSpace.deactivate()
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    private static func unmap(_ page: UInt64, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(page, 4096))
      try cursor.unmap(4096)
    }

    @Test func `a cursor that changes nothing leaves no nodes`() throws {
      let space = try VmSpace()
      try mapFrame(at: 1 << 39, in: space)
      NodePool.drain()
      let before = space.rootNode.hash()
      let used = FrameAllocator.statistics.usedFrameCount
      for (start, byteCount) in [
        (0x5000, 4096), (0x1f_f000, 8192), (Self.oneGiB - 4096, 8192), (Self.twoMiB, Self.twoMiB),
        (1 << 39 + Self.oneGiB, 4096), (1 << 39 - 4096, 8192),
      ] as [(UInt64, UInt64)] {
        do {
          let cursor = try space.cursor(over: bytes(start, byteCount))
          #expect(try cursor.query().content == .absent)
        }
        NodePool.drain()
        #expect(space.rootNode.hash() == before)
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
      #expect(space.problems == [])
    }

    /// A range, the level of the node that covers it, and how many are added in a new space.
    struct Case: CustomTestStringConvertible {
      let start: UInt64
      let byteCount: UInt64
      let level: Int
      var testDescription: String { "\(String(start, radix: 16)), \(byteCount) bytes" }
      var addedCount: Int { 4 - level }
    }

    private static let cases = [
      Case(start: 0x5000, byteCount: 4096, level: 1),
      Case(start: twoMiB, byteCount: twoMiB - 4096, level: 1),
      // An entry of the parent may map these as a large page.
      Case(start: twoMiB, byteCount: twoMiB, level: 2),
      Case(start: oneGiB, byteCount: oneGiB, level: 3),
      Case(start: 1 << 39, byteCount: 1 << 39, level: 4),
      Case(start: twoMiB - 4096, byteCount: 8192, level: 2),
      Case(start: 4096, byteCount: twoMiB, level: 2),
      Case(start: oneGiB - 4096, byteCount: 8192, level: 3),
      Case(start: 1 << 39 - 4096, byteCount: 8192, level: 4),
      Case(start: VmSpace.end.rawValue - 4096, byteCount: 4096, level: 1),
    ]

    @Test(arguments: cases) func `the smallest node that spans more than the range is locked`(
      _ range: Case
    ) throws {
      let space = try VmSpace()
      let root = space.rootNode
      let used = FrameAllocator.statistics.usedFrameCount
      let cursor = try space.cursor(over: bytes(range.start, range.byteCount))
      #expect(FrameAllocator.statistics.usedFrameCount == used + UInt64(range.addedCount))
      for level in 1...4 {
        let node = root.node(for: range.start, at: level)
        #expect((node != nil) == (level >= range.level), "level \(level)")
        #expect(node?.isLocked ?? false == (level == range.level), "level \(level)")
      }
      _ = consume cursor
      #expect(root.presentCount == 0 && !root.isLocked)
      #expect(space.problems == [])
    }

    @Test(arguments: cases) func `a cursor that cannot be opened leaves no lock and no node`(
      _ range: Case
    ) throws {
      let space = try VmSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      for ordinal in 1..<range.addedCount + 1 {
        machine.failAllocation(ordinal)
        #expect(throws: TesseraError.outOfFrames) {
          _ = try space.cursor(over: bytes(range.start, range.byteCount))
        }
        machine.failAllocation(0)
        NodePool.drain()
        #expect(space.rootNode.presentCount == 0)
        #expect(FrameAllocator.statistics.usedFrameCount == used)
        #expect(space.problems == [], "no node is locked")
      }
    }

    @Test func `an operation that throws releases exactly the locks of its cursor`() throws {
      let space = try VmSpace()
      let root = space.rootNode
      try mapFrame(at: 0x5000, in: space)
      do {
        let other = try space.cursor(over: bytes(1 << 30, 4096))
        #expect(throws: TesseraError.alreadyMapped(VirtualAddress(0x5000))) {
          var cursor = try space.cursor(over: bytes(0x1000, 0x5000))
          try cursor.setStatus(0x5000, to: 1)
        }
        #expect(throws: TesseraError.alreadyMapped(VirtualAddress(0x5000))) {
          var cursor = try space.cursor(over: bytes(0x5000, 4 << 20))
          try cursor.setStatus(4 << 20, to: 1)
        }
        #expect(root.node(for: 1 << 30, at: 1)?.isLocked == true)
        for (address, level) in [(0, 4), (0, 3), (0, 2), (0x5000, 1), (1 << 30, 2)] {
          #expect(root.node(for: UInt64(address), at: level)?.isLocked == false)
        }
        _ = consume other
      }
      #expect(space.problems == [])
    }
  }
}

extension OnSimulatedMachine {
  /// What opening a cursor leaves as it is.
  @Suite("Covering nodes that stay") struct StayingNodeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    @Test func `opening a cursor splits no large page and no status`() throws {
      let space = try VmSpace()
      try mapDevice(at: 2 << 20, 0x40_0000_0000, 2 << 20, in: space)
      try mark(1 << 30, 1 << 30, as: 9, in: space)
      let before = space.rootNode.hash()
      for (page, level) in [(0x20_5000, 2), (1 << 30 + 0x5000, 3)] as [(UInt64, Int)] {
        let cursor = try space.cursor(over: bytes(page, 4096))
        #expect(space.rootNode.hash() == before)
        #expect(space.rootNode.node(for: page, at: level)?.isLocked == true)
        _ = consume cursor
      }
      #expect(space.problems == [])
    }

    @Test func `a range in which a page is mapped is locked without memory`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 2 << 20, in: space)
      machine.failAllocation(1)
      defer { machine.failAllocation(0) }
      let ranges: [(UInt64, UInt64)] = [
        (0, 0x6000), (0, 4 << 20), (1 << 30 + 4096, 4096), (0, 2 << 30), (0, 1 << 40),
      ]
      for (start, byteCount) in ranges { _ = try space.cursor(over: bytes(start, byteCount)) }
      #expect(!machine.hasFailedAllocation)
      #expect(space.problems == [])
    }

    @Test func `a cursor over what is mapped is opened without memory, and adds no nodes`() throws {
      let space = try VmSpace()
      machine.failAllocation(1)
      defer { machine.failAllocation(0) }
      do {
        var cursor = try space.cursor(overMapped: bytes(0x5000, 8192))
        #expect(space.rootNode.presentCount == 0 && space.rootNode.isLocked)
        let unmapped = try cursor.unmap(8192)
        #expect(unmapped == 0)
      }
      do {
        let start = KernelSpace.area.lowerBound.rawValue
        let cursor = try KernelSpace.cursor(overMapped: bytes(start, 4096))
        #expect(try cursor.query().content == .absent)
      }
      #expect(!machine.hasFailedAllocation)
      #expect(space.problems == [])
    }

    @Test func `a reservation has the covering node too`() throws {
      let space = try VmSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        var cursor = try space.cursor(over: bytes(0x1f_f000, 8192), reservingNodes: true)
        machine.failAllocation(1)
        defer { machine.failAllocation(0) }
        #expect(space.rootNode.node(for: 0x1f_f000, at: 2)?.isLocked == true)
        try cursor.setStatus(4096, to: 1)
        try cursor.map(&frame, as: .userReadWrite)
        #expect(!machine.hasFailedAllocation)
      }
      do {
        var cursor = try space.cursor(over: bytes(0x1f_f000, 8192))
        try cursor.unmap(8192)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(space.problems == [])
    }
  }
}

extension OnSimulatedMachine {
  @Suite("Concurrency of covering nodes") struct CoveringNodeConcurrencyTests {
    /// Rounds that several processors begin together. ThreadSanitizer knows nothing of a `Mutex`.
    private final class Rounds: Sendable {
      private let arrivals = Atomic<Int>(0)

      /// Returns when `count` processors have called this for `round`, the next after the last.
      func meet(_ count: Int, in round: Int) {
        // Ordering: each pairs with the others, so that a round is ordered after the one before.
        arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing)
        while arrivals.load(ordering: .acquiring) < count * (round + 1) { sched_yield() }
      }
    }

    @Test func `processors that add the same nodes at once add them once`() throws {
      let machine = SimulatedMachine(frameCount: 1024, processorCount: 3)
      try machine.startKernelSpace()
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      for _ in 0..<4 {
        let spaces = try (0..<50).map { _ in
          try RootNode.allocate(copying: KernelSpace.root).relinquishUnlocked()
        }
        let rounds = Rounds()
        machine.onEveryProcessor { processor in
          for round in spaces.indices {
            rounds.meet(3, in: round)
            for _ in 0..<4 {
              do { try Self.increment(0x5000, under: spaces[round]) } catch {
                Issue.record("processor \(processor), round \(round): \(error)")
              }
            }
          }
        }
        for root in spaces {
          let cursor = Cursor(locking: bytes(0x5000, 4096), of: root)
          #expect(try cursor.query().content == .status(12), "no change was lost")
        }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used + 200, "four nodes each")
        for root in spaces { NodePool.release(root) }
        NodePool.drain()
      }
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    /// Adds one to the status of the page at `address`.
    private static func increment(_ address: UInt64, under root: PageTableNode) throws {
      var cursor = try Cursor(over: bytes(address, 4096), of: root, .added)
      var number: UInt32 = 0
      if case .status(let old) = try cursor.query().content { number = old }
      try cursor.setStatus(4096, to: number + 1)
    }

    @Test func `a cursor that waited finds the node that was added meanwhile`() throws {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 2)
      try machine.startKernelSpace()
      let space = try VmSpace()
      let root = space.rootNode
      let isOpen = Atomic<Bool>(false)
      machine.onEveryProcessor { processor in
        do {
          if processor == 0 {
            var cursor = try Cursor(over: bytes(0, 1 << 40), of: root, .added)
            isOpen.store(true, ordering: .releasing)
            // Long enough for the other processor to wait for the root's lock.
            usleep(5000)
            try cursor.setStatus(4096, to: 7)
          } else {
            while !isOpen.load(ordering: .acquiring) { sched_yield() }
            let cursor = Cursor(locking: bytes(0, 4096), of: root)
            #expect(try cursor.query().content == .status(7))
            #expect(!root.isLocked, "the root does not cover the range any more")
            #expect(root.node(for: 0, at: 1)?.isLocked == true)
          }
        } catch { Issue.record("processor \(processor): \(error)") }
      }
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }
  }
}
