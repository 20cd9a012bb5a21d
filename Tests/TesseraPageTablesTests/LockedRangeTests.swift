import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The nodes that a cursor locks, and the release of their locks.
  @Suite("Locked ranges") struct LockedRangeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
    }

    /// A node, and the bytes that it spans.
    struct Place {
      let node: PageTableNode
      let level: Int
      let first: UInt64
      let last: UInt64

      func spansMore(than start: UInt64, _ end: UInt64) -> Bool {
        first <= start && end <= last && (first, last) != (start, end)
      }

      func meets(_ start: UInt64, _ end: UInt64) -> Bool { first <= end && start <= last }
    }

    /// All nodes of the lower half of the tree under `node`.
    private func places(
      under node: PageTableNode, _ level: PagingLevel = PagingMode.current.rootLevel,
      from start: UInt64 = 0
    ) -> [Place] {
      let here = Place(
        node: node, level: level.number, first: start, last: start + (level.tableSpan - 1))
      let isRoot = level == PagingMode.current.rootLevel
      let below = (0..<(isRoot ? 256 : 512)).filter { node[$0].isTable }.flatMap { index in
        places(
          under: unsafe PageTableNode(at: node[index].tableAddress), level.below,
          from: start + UInt64(index) << level.shift)
      }
      return [here] + below
    }

    private static let pages: [UInt64] = [
      0, 0x5000, 0x1f_f000, 0x20_0000, 0x80_0000, 1 << 30 - 4096, 1 << 30, 3 << 30, 1 << 39 - 4096,
      1 << 39, 1 << 39 + 7 << 21, VmSpace.end.rawValue - 4096,
    ]

    /// A space with a page at each of `pages`, and a large page and a status among them.
    private func makeSpace() throws -> VmSpace {
      let space = try VmSpace()
      for page in Self.pages { try mapFrame(at: page, in: space) }
      try mapDevice(at: 4 << 20, 0x40_0000_0000, 2 << 20, in: space)
      try mark(5 << 30, 1 << 30, as: 9, in: space)
      return space
    }

    @Test func `a cursor locks exactly the nodes that overlap its range`() throws {
      let space = try makeSpace()
      let places = places(under: space.rootNode)
      #expect(places.count == 20)
      let borders =
        Self.pages + [
          4096, 0x6000, 0x20_1000, 4 << 20, 5 << 20, 6 << 20, 1 << 30 + 4096, 5 << 30, 6 << 30,
          1 << 38, 1 << 40, VmSpace.end.rawValue,
        ]
      var count = 0
      for start in borders {
        for end in borders where start < end {
          let range = VirtualAddress(start)..<VirtualAddress(end)
          // The deepest node that spans the range and more, and its descendants that overlap it.
          let covering = places.filter { $0.spansMore(than: start, end - 1) }
            .min { $0.level < $1.level }
          let level = covering?.level ?? 0
          let cursor = try space.cursor(overMapped: range)
          for place in places {
            let isWanted = place.level <= level && place.meets(start, end - 1)
            #expect(place.node.isLocked == isWanted, "\(range), level \(place.level)")
          }
          _ = consume cursor
          #expect(!places.contains { $0.node.isLocked }, "\(range)")
          count += 1
        }
      }
      print("\(count) ranges lock the nodes they overlap")
      #expect(space.problems == [])
    }

    @Test func `a cursor that adds nodes locks no others than those of its range`() throws {
      let space = try makeSpace()
      let before = places(under: space.rootNode).count
      for page in Self.pages {
        for start in [page, page ^ 4096, page ^ (4 << 20), page ^ (2 << 30)] as [UInt64] {
          for byteCount in [4096, 3 << 20, 2 << 30] as [UInt64] {
            let range = VirtualAddress(start)..<VirtualAddress(start + byteCount)
            guard range.upperBound <= VmSpace.end else { continue }
            let cursor = try space.cursor(over: range)
            let places = places(under: space.rootNode)
            let covering = places.filter { $0.spansMore(than: start, start + byteCount - 1) }
              .min { $0.level < $1.level }
            for place in places {
              let isWanted =
                place.level <= covering?.level ?? 0 && place.meets(start, start + byteCount - 1)
              #expect(place.node.isLocked == isWanted, "\(range), level \(place.level)")
            }
            _ = consume cursor
          }
        }
      }
      #expect(places(under: space.rootNode).count == before, "what was added was removed")
      #expect(space.problems == [])
    }

    @Test func `nodes created by a cursor are locked until it closes`() throws {
      let space = try VmSpace()
      do {
        var cursor = try space.cursor(over: bytes(1 << 30, 1 << 30))
        try cursor.setStatus(4096, to: 1)
        let places = places(under: space.rootNode)
        #expect(places.map(\.level) == [4, 3, 2, 1])
        #expect(places.map(\.node.isLocked) == [false, true, true, true], "the second covers")
      }
      #expect(!places(under: space.rootNode).contains { $0.node.isLocked })
    }

    @Test func `nodes removed by a cursor are detached and unlocked at every level`() throws {
      let space = try VmSpace()
      for page in [0x5000, 0x20_0000, 1 << 30, 1 << 39] as [UInt64] {
        try mapFrame(at: page, in: space)
      }
      let places = places(under: space.rootNode).filter { $0.level < 4 }
      #expect(places.map(\.level).sorted() == [1, 1, 1, 1, 2, 2, 2, 3, 3])
      // Keep the nodes alive, so that their state can be checked.
      for place in places { place.node.slot.share() }
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 40))
        try cursor.unmap(1 << 40)
        #expect(places.allSatisfy { $0.node.isDetached })
        #expect(!places.contains { $0.node.isLocked })
      }
      for place in places { NodePool.release(place.node) }
      #expect(machine.violations == [])
    }

    @Test func `cursors over ranges under different nodes are open at once`() throws {
      let space = try makeSpace()
      do {
        var first = try space.cursor(over: bytes(0, 1 << 20))
        var second = try space.cursor(over: bytes(2 << 20, 1 << 20))
        var third = try space.cursor(over: bytes(1 << 30, 1 << 29))
        try second.unmap(4096)
        try first.unmap(1 << 20)
        let isFound = third.findNext(within: 1 << 29)
        #expect(isFound)
      }
      #expect(space.translate(VirtualAddress(0x5000)) == nil)
      #expect(space.problems == [])
    }
  }
}

extension OnSimulatedMachine {
  @Suite("Concurrency of cursors") struct CursorConcurrencyTests {
    @Test func `overlapping cursors are serialized`() throws {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 3)
      try machine.startKernelSpace()
      let space = try VmSpace()
      // Keeps the leaf table, and the two that contain the pages below.
      try mark(0x1f_d000, 4096, as: 9, in: space)
      try mark(0x20_3000, 4096, as: 9, in: space)
      let ranges = [
        bytes(0x1f_f000, 8192), bytes(0x1f_e000, 0x4000), bytes(0, 4 << 20),
      ]
      machine.onEveryProcessor { number in
        for round in 0..<1500 {
          do {
            let range = ranges[(number + round) % ranges.count]
            var cursor = try space.cursor(over: range)
            // The changes of one cursor to the two pages are atomic for the other.
            let before = try Self.pair(&cursor)
            #expect(before.0 == before.1)
            try cursor.jump(to: VirtualAddress(0x1f_f000))
            if before.0 == .absent {
              try cursor.setStatus(4096, to: UInt32(number))
              try cursor.setStatus(4096, to: UInt32(number))
            } else {
              try cursor.unmap(4096)
              try cursor.unmap(4096)
            }
            let after = try Self.pair(&cursor)
            #expect(after.0 == after.1 && after.0 != before.0)
          } catch { Issue.record("processor \(number), round \(round): \(error)") }
        }
      }
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `a cursor never locks a node that another one removes`() throws {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 2)
      try machine.startKernelSpace()
      let space = try VmSpace()
      let other = try VmSpace()
      // Keeps the parents of the leaf tables that are created and removed.
      for page in [0x80_0000, 1 << 30] as [UInt64] {
        try mark(page, 4096, as: 9, in: space)
        try mark(page, 4096, as: 9, in: other)
      }
      machine.onEveryProcessor { number in
        do {
          for _ in 0..<6000 {
            if number == 0 {
              // Locks the parents, and waits for the other processor's locks below.
              _ = try space.cursor(over: bytes(0, 2 << 30))
            } else {
              // The leaf table removed from one space is the next one of the other.
              try Self.createAndRemove(in: space)
              try Self.createAndRemove(in: other)
            }
          }
        } catch { Issue.record("processor \(number): \(error)") }
      }
      #expect(space.problems == [] && other.problems == [])
      #expect(machine.violations == [])
    }

    /// Creates and removes a leaf table, by cursors that hold the lock of its parent.
    private static func createAndRemove(in space: borrowing VmSpace) throws {
      for isMade in [true, false] {
        var cursor = try space.cursor(over: bytes(0, 4 << 20))
        if isMade { try cursor.setStatus(4096, to: 7) } else { try cursor.unmap(4096) }
      }
    }

    /// The contents of the two pages at the boundary of the two nodes.
    private static func pair(_ cursor: inout Cursor) throws -> (PageContent, PageContent) {
      try cursor.jump(to: VirtualAddress(0x1f_f000))
      let first = try cursor.query().content
      try cursor.jump(to: VirtualAddress(0x20_0000))
      return (first, try cursor.query().content)
    }
  }
}
