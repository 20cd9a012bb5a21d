import Scenarios
import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Large frames") struct LargeFrameTests {
    let machine: SimulatedMachine
    private static let twoMiB = PageSize.twoMiB.byteCount

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    private func range(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
      VirtualAddress(start)..<VirtualAddress(start + byteCount)
    }

    /// Maps a new frame of 2 MiB at 2 MiB. Returns its address.
    @discardableResult
    private func mapLargeFrame(in space: borrowing VmSpace) throws -> PhysicalAddress {
      let large = try Frame(allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      let address = large.address
      var frame: Frame<PlainMemory>? = large
      var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
      try cursor.map(&frame, as: .userReadWrite)
      return address
    }

    private func expectNothingLost(since used: UInt64) {
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `a large frame has one reference count, in its head slot`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let frame = try Frame(allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        #expect(frame.size == .twoMiB)
        #expect(frame.byteCount == Self.twoMiB)
        #expect(frame.address.isAligned(to: .twoMiB))
        let isZeroed = frame.isFilled(with: 0)
        #expect(isZeroed)
        #expect(FrameAllocator.statistics.usedFrameCount == used + 512)
        let inside = frame.address + 0x1000
        #expect(throws: FrameError.notAligned) { _ = try AnyFrame(sharing: inside) }
        #expect(throws: FrameError.inUse) {
          _ = try Frame(claiming: inside, metadata: PlainMemory())
        }
        let second = frame.share()
        #expect(second.referenceCount == 2)
        #expect(machine.violations == [])
      }
      expectNothingLost(since: used)
    }

    @Test func `a single page other than the first of a large frame can be unmapped`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        let address = try mapLargeFrame(in: space)
        for page in [5, 6, 511] as [UInt64] {
          var cursor = try space.cursor(over: range(Self.twoMiB + page << 12, 4096))
          let unmapped = try cursor.unmap(4096)
          #expect(unmapped == 4096)
        }
        let count = try AnyFrame(sharing: address).referenceCount
        #expect(count == 509 + 1, "one reference for each remaining page, and this handle")
      }
      expectNothingLost(since: used)
    }

    @Test func `a large frame is one leaf, and is freed when that is unmapped`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        let address = frame?.address ?? .zero
        do {
          var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
          try cursor.map(&frame, as: .userReadWrite)
          let isAtEnd = cursor.isAtEnd
          #expect(isAtEnd)
        }
        let translation = space.translate(VirtualAddress(Self.twoMiB + 0x12345))
        #expect(translation?.address == address + 0x12345)
        do {
          var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
          let found = try cursor.query()
          #expect(found.byteCount == Self.twoMiB)
          let unmapped = try cursor.unmap(Self.twoMiB)
          #expect(unmapped == Self.twoMiB)
        }
      }
      expectNothingLost(since: used)
    }

    @Test func `unmapping a part splits the leaf, and the last part frees the frame`()
      throws
    {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        let address = try mapLargeFrame(in: space)
        do {
          var cursor = try space.cursor(over: range(Self.twoMiB + 0x5000, 0x3000))
          let unmapped = try cursor.unmap(0x3000)
          #expect(unmapped == 0x3000)
        }
        #expect(space.translate(VirtualAddress(Self.twoMiB + 0x5000)) == nil)
        #expect(space.translate(VirtualAddress(Self.twoMiB + 0x8000))?.address == address + 0x8000)
        let head = try FrameTable.slot(at: address)
        #expect(head.count == 509)
        #expect(machine.violations == [])
        do {
          var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
          let unmapped = try cursor.unmap(Self.twoMiB)
          #expect(unmapped == 509 * 4096)
        }
        #expect(head.count == ReferenceCount.free)
      }
      expectNothingLost(since: used)
    }

    @Test func `a split leaf collapses again`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        try mapLargeFrame(in: space)
        func protectPage(_ access: PageAccess) throws {
          var cursor = try space.cursor(over: range(Self.twoMiB + 0x5000, 0x1000))
          try cursor.protect(0x1000, to: access)
        }
        func collapse() throws -> Int {
          var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
          return cursor.collapse(2 * Self.twoMiB)
        }
        try protectPage(.read)
        #expect(try collapse() == 0)
        try protectPage(.readWrite)
        #expect(try collapse() == 1)
        let cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
        let found = try cursor.query()
        #expect(found.byteCount == Self.twoMiB)
      }
      expectNothingLost(since: used)
    }

    @Test func `contiguous small frames are merged on collapse, unless one is shared`()
      throws
    {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        var segment: Segment<PlainMemory>? = try Segment(
          allocating: 512, FrameRequest(alignment: Self.twoMiB)
        ) { _ in PlainMemory() }
        let address = segment?.address ?? .zero
        do {
          var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
          try cursor.map(&segment, as: .userReadWrite)
        }
        func collapse() throws -> Int {
          var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
          return cursor.collapse(2 * Self.twoMiB)
        }
        do {
          let shared = try AnyFrame(sharing: address + 0x7000)
          #expect(try collapse() == 0)
          #expect(shared.referenceCount == 2)
        }
        #expect(try collapse() == 1)
        let slot = try FrameTable.slot(at: address)
        #expect(slot.count == 1 && slot.kind.size == .twoMiB)
        #expect(machine.violations == [])
      }
      expectNothingLost(since: used)
    }

    @Test func `the table replaced by a large leaf is flushed before it is reused`()
      throws
    {
      _ = machine.mmu
      let space = try VmSpace()
      var segment: Segment<PlainMemory>? = try Segment(
        allocating: 512, FrameRequest(alignment: Self.twoMiB)
      ) { _ in PlainMemory() }
      do {
        var cursor = try space.cursor(over: range(Self.twoMiB, Self.twoMiB))
        try cursor.map(&segment, as: .userReadWrite)
      }
      space.activate()
      let flushes = FlushStatistics.fullFlushCount
      do {
        var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
        #expect(cursor.collapse(2 * Self.twoMiB) == 1)
      }
      #expect(FlushStatistics.fullFlushCount == flushes + 1)
      #expect(machine.violations == [])
      VmSpace.deactivate()
    }

    @Test(arguments: [PageProperty.userRead, .userReadWrite, .userReadExecute])
    func `a collapsed leaf keeps the access, and the access bits of every page`(
      property: PageProperty
    ) throws {
      let space = try VmSpace()
      var segment: Segment<PlainMemory>? = try Segment(
        allocating: 512, FrameRequest(alignment: Self.twoMiB)
      ) { _ in PlainMemory() }
      var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
      try cursor.jump(to: VirtualAddress(Self.twoMiB))
      try cursor.map(&segment, as: property)
      let table = try #require(space.rootNode.node(for: Self.twoMiB, at: 1))
      for (index, bit) in [(7, PageTableEntry.accessed), (511, PageTableEntry.dirty)] {
        // As a processor may do at any time.
        let entry = table[index]
        table.assumingLocked().store(
          PageTableEntry(rawValue: entry.rawValue | bit), at: index, replacing: entry)
      }
      try cursor.jump(to: VirtualAddress(0))
      #expect(cursor.collapse(2 * Self.twoMiB) == 1)
      #expect(
        space.translate(VirtualAddress(Self.twoMiB))?.property
          == property.with(isAccessed: true, isDirty: true))
    }

    @Test func `misaligned contiguous memory does not collapse`() throws {
      let space = try VmSpace()
      try mapDevice(at: Self.twoMiB, 0x40_0000_1000, Self.twoMiB, in: space)
      do {
        var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
        #expect(cursor.collapse(2 * Self.twoMiB) == 0)
      }
      let last = VirtualAddress(2 * Self.twoMiB - 1)
      #expect(space.translate(last)?.address.rawValue == 0x40_0020_0fff)
      #expect(space.problems == [])
    }

    @Test func `a fork shares a large leaf and its split parts alike`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let parent = try VmSpace()
        let child = try VmSpace()
        let address = try mapLargeFrame(in: parent)
        do {
          var source = try parent.cursor(over: range(0, 2 * Self.twoMiB))
          var target = try child.cursor(over: range(0, 2 * Self.twoMiB))
          try target.copy(from: &source, 2 * Self.twoMiB)
        }
        let slot = try FrameTable.slot(at: address)
        #expect(slot.count == 2)
        for space in [0, 1] {
          let translation =
            space == 0
            ? parent.translate(VirtualAddress(Self.twoMiB))
            : child.translate(VirtualAddress(Self.twoMiB))
          #expect(translation?.address == address)
          #expect(translation?.property.access == .read)
        }
        do {
          var cursor = try child.cursor(over: range(Self.twoMiB, 0x1000))
          try cursor.unmap(0x1000)
        }
        #expect(slot.count == 512)
        #expect(machine.violations == [])
      }
      expectNothingLost(since: used)
    }
  }
}
