import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Each allocation of each operation is made to fail once. The tables are bit for bit as before,
  /// and all frames are where they were.
  @Suite("Out of frames") struct OutOfFramesTests {
    @Test(arguments: StarvedOperation.all)
    func `an operation that gets no node changes nothing`(operation: StarvedOperation) throws {
      var refusalCount = 0
      for ordinal in 1...1200 {
        let isRefused = try runStarved(operation, failing: ordinal)
        guard isRefused else { break }
        refusalCount += 1
      }
      #expect(refusalCount == operation.allocationCount)
    }

    @Test(arguments: StarvedOperation.all)
    func `an operation that the kernel's allocator refuses a node changes nothing`(
      operation: StarvedOperation
    ) throws {
      var refusalCount = 0
      while refusalCount < 100,
        try runStarved(operation, failing: refusalCount + 1, hasPool: true)
      {
        refusalCount += 1
      }
      #expect(refusalCount == operation.allocationCount)
    }

    /// Runs `operation` while the allocation with number `ordinal` fails, because the kernel's own
    /// allocator finds nothing if it `hasPool`. Says whether it failed.
    private func runStarved(
      _ operation: StarvedOperation, failing ordinal: Int, hasPool: Bool = false
    ) throws -> Bool {
      let machine = SimulatedMachine(frameCount: 3072, hasPool: hasPool)
      try machine.startKernelSpace()
      _ = machine.mmu
      let used = FrameAllocator.statistics.usedFrameCount
      var isRefused = false
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
          #expect(!machine.wasStarved, "a failure was swallowed")
        } catch {
          isRefused = true
          #expect(machine.wasStarved, "refused with \(error), but there was memory")
          machine.starve(0)
          NodePool.drain()
          #expect("\(error)" == "outOfFrames")
          #expect(space.rootNode.hash() == before.0, "allocation \(ordinal)")
          #expect(other.rootNode.hash() == before.1, "allocation \(ordinal)")
          #expect(FrameAllocator.statistics.usedFrameCount == usedBefore)
          let hasFrame = !isGone(supply.frame)
          let hasSegment = !isGone(supply.segment)
          #expect(hasFrame && hasSegment, "what was not mapped comes back")
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
      return isRefused
    }
  }
}

extension SimulatedMachine {
  /// Makes the `ordinal`-th allocation from now on fail, by way of the kernel's own allocator if
  /// there is one; 0 makes none fail.
  fileprivate func starve(_ ordinal: Int) {
    if let pool { pool.refuse(ordinal) } else { failAllocation(ordinal) }
  }

  fileprivate var wasStarved: Bool { pool?.hasRefused ?? hasFailedAllocation }
}

/// What an operation may map.
struct Supply: ~Copyable {
  var frame: Frame<PlainMemory>?
  var segment: Segment<PlainMemory>?
}

/// An operation that needs memory for page tables.
struct StarvedOperation: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// How many allocations it makes.
  let allocationCount: Int
  var needsLargeFrame = false
  /// Maps what the operation starts from.
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
  static let all = spaces + mapping + splitting + copying

  private static func nothing(_ space: borrowing VmSpace, _ other: borrowing VmSpace) {}

  private static let spaces = [
    StarvedOperation(
      testDescription: "make a space", allocationCount: 1, prepare: nothing,
      perform: { _, _, _ in
        do throws(FrameError) { _ = try VmSpace() } catch { throw error }
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
      testDescription: "mark from page to page", allocationCount: 6, prepare: nothing,
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
}
