import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Each allocation of each operation fails once. The page tables and the state of all frames must
  /// be unchanged.
  @Suite("Out of frames") struct OutOfFramesTests {
    @Test(arguments: StarvedOperation.all)
    func `an operation that runs out of frames changes nothing`(operation: StarvedOperation) throws
    {
      var failureCount = 0
      for ordinal in 1...1200 {
        let hasFailed = try runStarved(operation, failing: ordinal)
        guard hasFailed else { break }
        failureCount += 1
      }
      #expect(failureCount == operation.allocationCount)
    }

    @Test(arguments: StarvedOperation.all)
    func `an operation whose external allocator fails changes nothing`(
      operation: StarvedOperation
    ) throws {
      var failureCount = 0
      while failureCount < 100,
        try runStarved(operation, failing: failureCount + 1, hasPool: true)
      {
        failureCount += 1
      }
      #expect(failureCount == operation.allocationCount)
    }

    /// Runs `operation` with the allocation number `ordinal` failing, in the external allocator if
    /// `hasPool`. Returns whether it failed.
    private func runStarved(
      _ operation: StarvedOperation, failing ordinal: Int, hasPool: Bool = false
    ) throws -> Bool {
      let machine = SimulatedMachine(frameCount: 3072, hasPool: hasPool)
      try machine.startKernelSpace()
      _ = machine.mmu
      let used = FrameAllocator.statistics.usedFrameCount
      var hasFailed = false
      do {
        let space = try VmSpace()
        let other = try VmSpace()
        space.activate()
        try operation.prepare(space, other)
        var supply = Supply()
        if operation.needsLargeFrame {
          supply.frame = try Frame(
            allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
        } else {
          supply.frame = try Frame(allocating: PlainMemory())
        }
        supply.segment = try Segment(allocating: 9) { _ in PlainMemory() }
        NodePool.drain()
        let before = (space.rootNode.hash(), other.rootNode.hash())
        let usedBefore = FrameAllocator.statistics.usedFrameCount
        machine.starve(ordinal)
        do {
          try operation.perform(space, other, &supply)
          #expect(!machine.wasStarved, "a failure was ignored")
        } catch {
          hasFailed = true
          #expect(machine.wasStarved, "failed with \(error), but there was memory")
          machine.starve(0)
          NodePool.drain()
          #expect("\(error)" == "outOfFrames")
          #expect(space.rootNode.hash() == before.0, "allocation \(ordinal)")
          #expect(other.rootNode.hash() == before.1, "allocation \(ordinal)")
          #expect(FrameAllocator.statistics.usedFrameCount == usedBefore)
          let hasFrame = !isGone(supply.frame)
          let hasSegment = !isGone(supply.segment)
          #expect(hasFrame && hasSegment, "the frame or segment was lost")
        }
        machine.starve(0)
        #expect(space.problems == [])
        #expect(other.problems == [])
        machine.checkCoherent(ignoringAccessed: true)
        VmSpace.deactivate()
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      if let pool = machine.pool { #expect(pool.outCount == used) }
      #expect(machine.violations == [])
      return hasFailed
    }
  }
}

extension SimulatedMachine {
  /// Makes the `ordinal`-th allocation from now fail, in the external allocator if there is one.
  /// With 0, none fails.
  fileprivate func starve(_ ordinal: Int) {
    if let pool { pool.failCall(ordinal) } else { failAllocation(ordinal) }
  }

  fileprivate var wasStarved: Bool { pool?.hasFailed ?? hasFailedAllocation }
}

/// Frames for an operation to map.
struct Supply: ~Copyable {
  var frame: Frame<PlainMemory>?
  var segment: Segment<PlainMemory>?
}

/// An operation that allocates page tables.
struct StarvedOperation: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// The number of its allocations.
  let allocationCount: Int
  var needsLargeFrame = false
  /// Sets up the state before the operation.
  let prepare: @Sendable (_ space: borrowing VmSpace, _ other: borrowing VmSpace) throws -> Void
  let perform:
    @Sendable (
      _ space: borrowing VmSpace, _ other: borrowing VmSpace, _ supply: inout Supply
    ) throws -> Void
}

private let twoMiB: UInt64 = 2 << 20
private let oneGiB: UInt64 = 1 << 30
private let device: UInt64 = 0x40_0000_0000

extension StarvedOperation {
  static let all = spaces + mapping + splitting + copying + moving

  private static func nothing(_ space: borrowing VmSpace, _ other: borrowing VmSpace) {}

  private static let spaces = [
    StarvedOperation(
      testDescription: "create a space", allocationCount: 1, prepare: nothing,
      perform: { _, _, _ in
        do throws(TesseraError) { _ = try VmSpace() } catch { throw error }
      }),
    StarvedOperation(
      testDescription: "reserve nodes", allocationCount: 10, prepare: nothing,
      perform: { space, _, _ in
        _ = try space.cursor(over: bytes(twoMiB - 4096, 8192), reservingNodes: true)
      }),
    StarvedOperation(
      testDescription: "map frames for the kernel", allocationCount: 2, prepare: nothing,
      perform: { _, _, supply in
        _ = try KernelMapping(&supply.segment)
      }),
    StarvedOperation(
      testDescription: "map a device for the kernel", allocationCount: 2, prepare: nothing,
      perform: { _, _, _ in
        _ = try unsafe KernelMapping(device: PhysicalAddress(device), byteCount: 8192)
      }),
  ]

  private static let mapping = [
    StarvedOperation(
      testDescription: "map a frame", allocationCount: 3, prepare: nothing,
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.map(&supply.frame, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "map a frame in the last table", allocationCount: 3,
      prepare: { space, _ in try mapFrame(at: 0, in: space) },
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(VmSpace.end.rawValue - 4096, 4096))
        try cursor.map(&supply.frame, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "map a frame in a large status", allocationCount: 3,
      prepare: { space, _ in try mark(0, 1 << 40, as: 9, in: space) },
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.map(&supply.frame, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "map a large frame", allocationCount: 2, needsLargeFrame: true,
      prepare: nothing,
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(twoMiB, twoMiB))
        try cursor.map(&supply.frame, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "map a segment across tables of every level", allocationCount: 6,
      prepare: nothing,
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(1 << 39 - 4 * 4096, 9 * 4096))
        try cursor.map(&supply.segment, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "map frames one by one", allocationCount: 4, prepare: nothing,
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(twoMiB - 4096, 8192))
        var frames: Segment<PlainMemory>? = supply.segment?.share()
        try cursor.map(pageCount: 2, as: .userReadWrite) { frames!.next()! }
      }),
    StarvedOperation(
      testDescription: "map a device in pages of all sizes", allocationCount: 5, prepare: nothing,
      perform: { space, _, _ in
        let start = oneGiB - twoMiB - 4096
        let byteCount = 2 * oneGiB + 2 * twoMiB + 8192
        var cursor = try space.cursor(over: bytes(start, byteCount))
        try unsafe cursor.mapDevice(
          PhysicalAddress(device + start), byteCount: byteCount, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "set a status from page to page", allocationCount: 6, prepare: nothing,
      perform: { space, _, _ in
        var cursor = try space.cursor(over: bytes(0x1000, 1 << 40))
        try cursor.setStatus(1 << 40, to: 3)
      }),
  ]

  private static let splitting = [
    StarvedOperation(
      testDescription: "unmap a page in the middle of 1 GiB", allocationCount: 2,
      prepare: { space, _ in try mapDevice(at: oneGiB, device, oneGiB, in: space) },
      perform: { space, _, _ in
        var cursor = try space.cursor(over: bytes(oneGiB + 5 * twoMiB + 4096, 4096))
        try cursor.unmap(4096)
      }),
    StarvedOperation(
      testDescription: "unmap from the middle of one page of 1 GiB to that of the next",
      allocationCount: 4,
      prepare: { space, _ in try mapDevice(at: oneGiB, device, 2 * oneGiB, in: space) },
      perform: { space, _, _ in
        var cursor = try space.cursor(over: bytes(2 * oneGiB - 4096, 8192))
        try cursor.unmap(8192)
      }),
    StarvedOperation(
      testDescription: "unmap a part of a large status", allocationCount: 3,
      prepare: { space, _ in try mark(0, 1 << 39, as: 9, in: space) },
      perform: { space, _, _ in
        var cursor = try space.cursor(over: bytes(0x1000, 4096))
        try cursor.unmap(4096)
      }),
    StarvedOperation(
      testDescription: "protect a part of 2 MiB", allocationCount: 1,
      prepare: { space, _ in try mapDevice(at: twoMiB, device, twoMiB, in: space) },
      perform: { space, _, _ in
        var cursor = try space.cursor(over: bytes(twoMiB + 4096, 8192))
        try cursor.protect(8192, to: .read)
      }),
    StarvedOperation(
      testDescription: "replace a page of 1 GiB in part", allocationCount: 2,
      prepare: { space, _ in try mapDevice(at: oneGiB, device, oneGiB, in: space) },
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(oneGiB, 4096))
        try cursor.replace(with: &supply.frame, as: .userReadWrite)
      }),
    StarvedOperation(
      testDescription: "replace a page of 1 GiB by a large frame", allocationCount: 1,
      needsLargeFrame: true,
      prepare: { space, _ in try mapDevice(at: oneGiB, device, oneGiB, in: space) },
      perform: { space, _, supply in
        var cursor = try space.cursor(over: bytes(oneGiB + twoMiB, twoMiB))
        try cursor.replace(with: &supply.frame, as: .userReadWrite)
      }),
  ]

  private static let copying = [
    StarvedOperation(
      testDescription: "copy pages, a status and large pages", allocationCount: 4,
      prepare: { space, _ in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x20_0000, in: space)
        try mapDevice(at: oneGiB, device, oneGiB, in: space)
        try mark(1 << 39, 1 << 39, as: 1, in: space)
      },
      perform: { space, other, _ in
        var source = try space.cursor(over: bytes(0, 1 << 40))
        var cursor = try other.cursor(over: bytes(0, 1 << 40))
        try cursor.copy(from: &source, 1 << 40)
      }),
    StarvedOperation(
      testDescription: "copy a part of a large page to another place", allocationCount: 6,
      prepare: { space, _ in try mapDevice(at: twoMiB, device, twoMiB, in: space) },
      perform: { space, other, _ in
        var source = try space.cursor(over: bytes(twoMiB + 4096, 8192))
        var cursor = try other.cursor(over: bytes(oneGiB - 4096, 8192))
        try cursor.copy(from: &source, 8192)
      }),
  ]

  private static let moving = [
    StarvedOperation(
      testDescription: "move a page, a status and a large page", allocationCount: 3,
      prepare: { space, _ in
        try mapFrame(at: 0x5000, in: space)
        try mark(0x9000, 0x3000, as: 1, in: space)
        try mapDevice(at: twoMiB, device, twoMiB, in: space)
      },
      perform: { space, _, _ in
        try space.move(bytes(0, 2 * twoMiB), to: VirtualAddress(1 << 39))
      }),
    StarvedOperation(
      testDescription: "move a part of a large page to an address that is aligned less",
      allocationCount: 4,
      prepare: { space, _ in try mapDevice(at: twoMiB, device, twoMiB, in: space) },
      perform: { space, _, _ in
        try space.move(bytes(twoMiB + 4096, 8192), to: VirtualAddress(2 * twoMiB + oneGiB - 4096))
      }),
  ]
}
