import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The exact TLB invalidations of each change.
  @Suite("Invalidation") struct InvalidationTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1024)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// Runs `body`, and returns the numbers of its page invalidations and of its full flushes.
    private func flushes(_ body: () throws -> Void) rethrows -> [UInt64] {
      let before = (FlushStatistics.pageCount, FlushStatistics.fullFlushCount)
      try body()
      machine.checkCoherent()
      return [
        FlushStatistics.pageCount - before.0,
        FlushStatistics.fullFlushCount - before.1,
      ]
    }

    /// An active space with `count` pages at 1 GiB, and one more so that their table stays.
    private func makeSpace(_ count: Int, as property: PageProperty = .userReadWrite) throws
      -> VmSpace
    {
      let space = try VmSpace()
      try mapFrame(at: 1 << 30 + 511 << 12, in: space)
      if count > 0 { try mapSegment(count, at: 1 << 30, in: space, as: property) }
      space.activate()
      return space
    }

    @Test(arguments: [1, 2, 31, 32]) func `few pages are flushed individually`(count: Int) throws {
      let space = try makeSpace(count)
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(1 << 30, UInt64(count) * 4096))
        try cursor.unmap(UInt64(count) * 4096)
      }
      #expect(flushed == [UInt64(count), 0])
      VmSpace.deactivate()
    }

    @Test(arguments: [33, 100, 400]) func `many pages are flushed at once`(count: Int) throws {
      let space = try makeSpace(count)
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(1 << 30, UInt64(count) * 4096))
        try cursor.unmap(UInt64(count) * 4096)
      }
      #expect(flushed == [0, 1])
      VmSpace.deactivate()
    }

    @Test func `scattered pages are invalidated individually, or by a full flush if many`() throws {
      let space = try makeSpace(100)
      let few = try flushes {
        var cursor = try space.cursor(over: bytes(1 << 30, 100 * 4096))
        for page in [3, 50] as [UInt64] {
          try cursor.jump(to: VirtualAddress(1 << 30 + page << 12))
          try cursor.unmap(4096)
        }
      }
      #expect(few == [2, 0])
      let many = try flushes {
        var cursor = try space.cursor(over: bytes(1 << 30, 100 * 4096))
        for page in [5, 60, 80] as [UInt64] {
          try cursor.jump(to: VirtualAddress(1 << 30 + page << 12))
          try cursor.unmap(4096)
        }
      }
      #expect(many == [0, 1])
      VmSpace.deactivate()
    }

    @Test func `mapping a page or adding access flushes nothing`() throws {
      let space = try makeSpace(4, as: .userRead)
      let flushed = try flushes {
        try mapFrame(at: 1 << 30 + 8 << 12, in: space)
        try mark(1 << 30 + 9 << 12, 4096, as: 1, in: space)
        var cursor = try space.cursor(over: bytes(1 << 30, 4 * 4096))
        try cursor.protect(4 * 4096, to: .readWrite)
        try cursor.jump(to: VirtualAddress(1 << 30))
        try cursor.protect(4 * 4096, to: .readWrite)
      }
      #expect(flushed == [0, 0])
      VmSpace.deactivate()
    }

    @Test func `removing any kind of access invalidates the page`() throws {
      let changes: [(PageAccess, PageAccess)] = [
        (.readWrite, .read), (.readWrite, .none), (.readExecute, .read), (.readExecute, .readWrite),
        (.readWriteExecute, .readWrite), (.readWriteExecute, .readExecute), (.read, .none),
      ]
      for (before, after) in changes {
        let space = try makeSpace(1, as: PageProperty(before, isUser: true))
        let flushed = try flushes {
          var cursor = try space.cursor(over: bytes(1 << 30, 4096))
          try cursor.protect(4096, to: after)
        }
        #expect(flushed == [1, 0], "\(before) to \(after)")
      }
      VmSpace.deactivate()
    }

    @Test func `a replaced page is invalidated before the old frame is freed`() throws {
      let space = try makeSpace(1)
      let memory = try #require(space.translate(VirtualAddress(1 << 30))?.address)
      let flushed = try flushes {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        var cursor = try space.cursor(over: bytes(1 << 30, 4096))
        try cursor.replace(with: &frame, as: .userReadWrite)
        #expect(throws: TesseraError.self, "freed before the cursor closes") {
          _ = try Frame(claiming: memory, metadata: PlainMemory())
        }
      }
      #expect(flushed == [1, 0])
      _ = try Frame(claiming: memory, metadata: PlainMemory())
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `a split invalidates the large page once`() throws {
      let space = try makeSpace(0)
      try mapDevice(at: 2 << 20, 0x40_0000_0000, 2 << 20, in: space)
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(2 << 20, 4096))
        try cursor.unmap(4096)
      }
      #expect(flushed == [2, 0], "the large page, and the unmapped one")
      VmSpace.deactivate()
    }

    @Test func `freeing a node flushes the whole TLB`() throws {
      let space = try makeSpace(0)
      try mapFrame(at: 2 << 20, in: space)
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(2 << 20, 2 << 20))
        try cursor.unmap(2 << 20)
      }
      #expect(flushed[1] > 0)
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `a change to an inactive space flushes nothing`() throws {
      let space = try makeSpace(50)
      VmSpace.deactivate()
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(0, 1 << 39))
        try cursor.unmap(1 << 39)
      }
      #expect(flushed == [0, 0])
      #expect(machine.violations == [])
    }

    @Test func `kernel pages are invalidated in any active space`() throws {
      let space = try makeSpace(0)
      let range = bytes(KernelSpace.area.lowerBound.rawValue, 2 << 20)
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      do {
        var cursor = try KernelSpace.cursor(over: range)
        try cursor.map(&frame, as: .kernelReadWrite)
      }
      let flushed = try flushes {
        var cursor = try KernelSpace.cursor(over: range)
        try cursor.unmap(2 << 20)
      }
      #expect(flushed[1] > 0)
      machine.expectNoCachedRights(
        in: KernelSpace.area.lowerBound.rawValue..<KernelSpace.area.upperBound.rawValue)
      _ = consume space
      VmSpace.deactivate()
    }

    @Test func `more shared frames than the batch holds are flushed and released`() throws {
      let space = try makeSpace(0)
      var handles = try Segment(allocating: 40) { _ in PlainMemory() }
      let other = try VmSpace()
      for target in [0, 1] {
        var segment: Segment<PlainMemory>? = handles.share()
        if target == 0 {
          var cursor = try space.cursor(over: bytes(1 << 30, 40 * 4096))
          try cursor.map(&segment, as: .userReadWrite)
        } else {
          var cursor = try other.cursor(over: bytes(1 << 30, 40 * 4096))
          try cursor.map(&segment, as: .userReadWrite)
        }
      }
      do {
        var cursor = try space.cursor(over: bytes(1 << 30, 40 * 4096))
        try cursor.unmap(40 * 4096)
      }
      machine.checkCoherent()
      while let frame = handles.next() {
        let count = frame.referenceCount
        #expect(count == 2)
      }
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `an unmapped large page is invalidated individually`() throws {
      let space = try makeSpace(0)
      let place: UInt64 = 1 << 30 + 2 << 20
      try mapDevice(at: place, 0x40_0000_0000, 2 << 20, in: space)
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(place, 2 << 20))
        try cursor.unmap(2 << 20)
      }
      #expect(flushed == [1, 0])
      VmSpace.deactivate()
    }

    @Test func `more runs of frames than the batch holds are flushed, then freed`() throws {
      let space = try makeSpace(0)
      let runCount: UInt64 = 24
      let runLength: UInt64 = 9
      // In descending order, so that no two runs are contiguous.
      for run in (0..<runCount).reversed() {
        try mapSegment(Int(runLength), at: 1 << 30 + run * runLength * 4096, in: space)
      }
      let used = FrameAllocator.statistics.usedFrameCount
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(1 << 30, runCount * runLength * 4096))
        try cursor.unmap(runCount * runLength * 4096)
      }
      #expect(flushed[1] >= 2, "once when the batch is full, and once at the end")
      #expect(FrameAllocator.statistics.usedFrameCount == used - runCount * runLength)
      #expect(machine.violations == [])
      VmSpace.deactivate()
    }

    @Test func `activating the active space does nothing`() throws {
      let space = try makeSpace(0)
      let loads = simulated_current_processor().pointee.root_loads
      space.activate()
      #expect(simulated_current_processor().pointee.root_loads == loads)
      #expect(space.rootNode.slot.count == 2)
      #expect(space.activeProcessorCount == 1)
      VmSpace.deactivate()
      VmSpace.deactivate()
      #expect(simulated_current_processor().pointee.root_loads == loads + 1)
      #expect(space.rootNode.slot.count == 1)
      #expect(space.activeProcessorCount == 0)
    }

    @Test func `activating another space deactivates the previous one`() throws {
      let first = try makeSpace(1)
      let second = try makeSpace(1)
      #expect(first.activeProcessorCount == 0)
      #expect(second.activeProcessorCount == 1)
      #expect(first.rootNode.slot.count == 1)
      #expect(Processor.rootRegister == second.rootAddress.rawValue)
      machine.checkCoherent()
      VmSpace.deactivate()
    }

    @Test func `without invalidations the stale entry is detected`() throws {
      let space = try makeSpace(2)
      unsafe FlushSwitch.turn(off: true)
      do {
        var cursor = try space.cursor(over: bytes(1 << 30, 4096))
        try cursor.protect(4096, to: .read)
      }
      unsafe FlushSwitch.turn(off: false)
      #expect(machine.mmu.incoherences().count == 1)
      #expect(machine.mmu.cachedAccesses(in: 1 << 30..<1 << 30 + 4096).contains(.userWrite))
      VmSpace.deactivate()
    }
  }
}
