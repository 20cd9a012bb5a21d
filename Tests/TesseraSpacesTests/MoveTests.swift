import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `VmSpace.move`: what was mapped is elsewhere, and nowhere else.
  @Suite("Moved ranges") struct MoveTests {
    let machine: SimulatedMachine
    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let oneGiB = PageSize.oneGiB.byteCount
    private static let place: UInt64 = 1 << 30
    private static let device: UInt64 = 0x40_0000_0000

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// Runs `body` with a space that is active, and checks that nothing leaks.
    private func inSpace(_ body: (borrowing VmSpace) throws -> Void) throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        space.activate()
        try body(space)
        #expect(space.problems == [])
        machine.checkCoherent()
        VmSpace.deactivate()
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    /// What the space has in `byteCount` bytes from `start`, at addresses relative to it. Absent
    /// pages are left out.
    private func contents(
      _ start: UInt64, _ byteCount: UInt64, in space: borrowing VmSpace
    ) throws -> [String] {
      var found: [String] = []
      try space.withCursor(overMapped: bytes(start, byteCount)) { cursor in
        cursor.forEachRun(within: byteCount) { run in
          guard run.content != .absent else { return }
          found.append("\(run.start.rawValue - start) \(run.byteCount) \(run.content)")
        }
      }
      return found
    }

    private func move(
      _ start: UInt64, _ byteCount: UInt64, to target: UInt64, in space: borrowing VmSpace
    ) throws {
      try space.move(bytes(start, byteCount), to: VirtualAddress(target))
    }

    @Test(arguments: [place + 0x10_0000, place + twoMiB, place + twoMiB + 0x3000, 0x1000, 1 << 40])
    func `pages and statuses move, and come back as they were`(target: UInt64) throws {
      try inSpace { space in
        let byteCount: UInt64 = 0x10_0000
        let frame = try mapFrame(at: Self.place + 0x1000, in: space)
        try mapFrame(at: Self.place + 0x2000, in: space, as: .userRead)
        try mapFrame(at: Self.place + 0x4000, in: space, as: PageProperty(.none, isUser: true))
        try mark(Self.place + 0x8000, 0x9000, as: 7, in: space)
        try machine.mmu.write(UInt64(42), at: Self.place + 0x1008)
        let before = try contents(Self.place, byteCount, in: space)
        #expect(before.count == 4)
        try move(Self.place, byteCount, to: target, in: space)
        #expect(try contents(Self.place, byteCount, in: space) == [])
        #expect(try contents(target, byteCount, in: space) == before)
        #expect(space.translate(VirtualAddress(target + 0x1000))?.address == frame)
        #expect(space.translate(VirtualAddress(target + 0x1000))?.property.isDirty == true)
        #expect(try machine.mmu.read(UInt64.self, at: target + 0x1008) == 42)
        let left = try? machine.mmu.read(UInt64.self, at: Self.place + 0x1008)
        #expect(left == nil)
        try move(target, byteCount, to: Self.place, in: space)
        #expect(try contents(target, byteCount, in: space) == [])
        #expect(try contents(Self.place, byteCount, in: space) == before)
      }
    }

    @Test func `a large page stays large where the target is aligned`() throws {
      try inSpace { space in
        try mapDevice(at: Self.oneGiB, Self.device, Self.oneGiB, in: space)
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        try space.withCursor(over: bytes(2 * Self.oneGiB, Self.twoMiB)) {
          cursor throws(TesseraError) in
          try cursor.map(&frame, as: .userReadWrite)
        }
        try mark(3 * Self.oneGiB, Self.oneGiB, as: 1, in: space)
        let byteCount = 3 * Self.oneGiB
        let before = try contents(Self.oneGiB, byteCount, in: space)
        #expect(before.count == 3)
        try move(Self.oneGiB, byteCount, to: 4 * Self.oneGiB, in: space)
        #expect(try contents(4 * Self.oneGiB, byteCount, in: space) == before)
        let used = FrameAllocator.statistics.usedFrameCount
        try move(5 * Self.oneGiB, Self.twoMiB, to: Self.twoMiB * 3, in: space)
        #expect(
          try contents(Self.twoMiB * 3, Self.twoMiB, in: space)
            == [before[1]].map {
              "0" + $0.drop { $0 != " " }
            })
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount <= used + 2, "two tables at most")
      }
    }

    @Test(arguments: [false, true])
    func `a large page is moved in parts where the target is not aligned`(isPart: Bool) throws {
      try inSpace { space in
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        let memory = frame?.address.rawValue ?? 0
        try space.withCursor(over: bytes(Self.place, Self.twoMiB)) { cursor throws(TesseraError) in
          try cursor.map(&frame, as: .userReadWrite)
        }
        try machine.mmu.write(UInt64(1), at: Self.place)
        let skipped: UInt64 = isPart ? 0x5000 : 0
        let byteCount = Self.twoMiB - 2 * skipped
        let target = Self.place + 7 * Self.twoMiB + 0x3000
        try move(Self.place + skipped, byteCount, to: target, in: space)
        for offset in stride(from: 0, to: byteCount, by: 4096) {
          let found = space.translate(VirtualAddress(target + offset))
          #expect(found?.address.rawValue == memory + skipped + offset)
          #expect(found?.property.isDirty == true && found?.property.access == .readWrite)
        }
        #expect(try space.residentByteCount(in: bytes(target, byteCount)) == byteCount)
        let left = try space.residentByteCount(in: bytes(Self.place, Self.twoMiB))
        #expect(left == 2 * skipped)
      }
    }

    /// Its table stays, so that nothing else is a reason for a flush.
    @Test func `a large page that leaves its table is flushed`() throws {
      try inSpace { space in
        try mapDevice(at: Self.place, Self.device, 2 * Self.twoMiB, in: space)
        try move(Self.place, Self.twoMiB, to: Self.place + 2 * Self.twoMiB, in: space)
        machine.checkCoherent()
        #expect(space.translate(VirtualAddress(Self.place)) == nil)
      }
    }

    @Test func `a table from which all has moved is released`() throws {
      try inSpace { space in
        try mapFrame(at: Self.place, in: space)
        NodePool.drain()
        let used = FrameAllocator.statistics.usedFrameCount
        try move(Self.place, 4096, to: Self.place + Self.twoMiB, in: space)
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
    }

    @Test func `a page that a fork shares stays copy-on-write`() throws {
      try inSpace { parent in
        try mapFrame(at: Self.place, in: parent)
        let child = try parent.fork()
        try move(Self.place, 4096, to: 0x7000, in: child)
        try child.withCursor(over: bytes(0x7000, 4096)) { cursor throws(TesseraError) in
          guard case .mapped(_, let property, true) = try cursor.query().content else {
            Issue.record("the page is gone")
            return
          }
          #expect(property.isCopyOnWrite && property.access == .read)
        }
        #expect(child.problems == [])
      }
    }

    @Test func `a move that fails changes nothing`() throws {
      try inSpace { space in
        try mapFrame(at: Self.place, in: space)
        try mapFrame(at: Self.place + 0x9000, in: space)
        try mark(0x5000, 4096, as: 1, in: space)
        let before = space.rootNode.hash()
        let (place, end) = (Self.place, VmSpace.end.rawValue)
        let failing: [(byteCount: UInt64, target: UInt64, error: TesseraError)] = [
          (0, 0x8000, .empty), (4097, 0x8000, .notAligned), (4096, 0x8001, .notAligned),
          (0x2000, place, .outOfBounds), (0x2000, place + 0x1000, .outOfBounds),
          (0x2000, place - 0x1000, .outOfBounds), (4096, end, .outOfBounds),
          (8192, .max - 4095, .outOfBounds),
          (4096, 0x5000, .alreadyMapped(VirtualAddress(0x5000))),
          (0x2000, place + 0x8000, .alreadyMapped(VirtualAddress(place + 0x9000))),
        ]
        for (byteCount, target, expected) in failing {
          do {
            try move(place, byteCount, to: target, in: space)
            Issue.record("moved \(byteCount) bytes to \(target)")
          } catch { #expect(error as? TesseraError == expected) }
          #expect(space.rootNode.hash() == before)
        }
        try move(Self.place, 0x2000, to: Self.place + 0x2000, in: space)
        #expect(space.rootNode.hash() != before, "one that succeeds is seen")
      }
    }
  }
}
