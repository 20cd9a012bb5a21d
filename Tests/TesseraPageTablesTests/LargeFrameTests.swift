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
        #expect(throws: TesseraError.notAligned) { _ = try AnyFrame(sharing: inside) }
        #expect(throws: TesseraError.inUse) {
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

    /// The part of 1 GiB that is given other rights for a while: a page, so that there are tables
    /// of two levels to collapse, or 2 MiB, so that there are 512 large pages.
    @Test(arguments: [0x1000, 0x20_0000] as [UInt64])
    func `512 pages of 2 MiB become one of 1 GiB`(part: UInt64) throws {
      _ = machine.mmu
      let space = try VmSpace()
      let oneGiB = PageSize.oneGiB.byteCount
      try mapDevice(at: oneGiB, 0x40_0000_0000, oneGiB, in: space)
      space.activate()
      for access in [PageAccess.read, .readWrite] {
        var cursor = try space.cursor(over: range(oneGiB + 7 * Self.twoMiB, part))
        try cursor.protect(part, to: access)
        try cursor.jump(to: VirtualAddress(oneGiB + 7 * Self.twoMiB))
        let size = try cursor.query().byteCount
        #expect(size == part)
      }
      do {
        var cursor = try space.cursor(over: range(0, 4 * oneGiB))
        #expect(cursor.collapse(4 * oneGiB) == (part == 4096 ? 2 : 1))
        try cursor.jump(to: VirtualAddress(oneGiB))
        let found = try cursor.query()
        #expect(found.byteCount == oneGiB)
      }
      #expect(machine.mmu.incoherences() == [])
      let last = space.translate(VirtualAddress(2 * oneGiB - 1))
      #expect(last?.address.rawValue == 0x40_3fff_ffff)
      #expect(last?.property.access == .readWrite)
      VmSpace.deactivate()
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `512 frames of 2 MiB do not become a page of 1 GiB`() throws {
      let oneGiB = PageSize.oneGiB.byteCount
      let machine = SimulatedMachine(
        frameCount: 2 * Int(oneGiB / 4096), reserved: Int(oneGiB / 4096) - 2048, isFilled: false)
      try machine.startKernelSpace()
      let space = try VmSpace()
      // All of the second GiB, in order.
      var frames: [UInt64] = []
      while let frame = try? Frame(
        allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
      { frames.append(frame.relinquish().rawValue) }
      let (inside, outside) = (frames.filter { $0 >= oneGiB }, frames.filter { $0 < oneGiB })
      #expect(inside.count == 512)
      for address in inside {
        var frame = unsafe Optional(Frame<PlainMemory>(adopting: PhysicalAddress(address)))
        var cursor = try space.cursor(over: range(address, Self.twoMiB))
        try cursor.map(&frame, as: .userReadWrite)
      }
      for address in outside { _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address)) }
      do {
        var cursor = try space.cursor(over: range(0, 4 * oneGiB))
        #expect(cursor.collapse(4 * oneGiB) == 0)
        try cursor.jump(to: VirtualAddress(oneGiB + 5 * Self.twoMiB))
        let found = try cursor.query()
        #expect(found.byteCount == Self.twoMiB)
      }
      for address in inside { #expect(FrameTable.slot(number: address >> 12).count == 1) }
      #expect(space.problems == [])
    }

    @Test(arguments: [512, 511, 1] as [UInt64])
    func `a split beside the greatest count saturates it, and is counted once`(
      distance: UInt64
    ) throws {
      let space = try VmSpace()
      let slot = FrameTable.slot(number: try mapLargeFrame(in: space).frameNumber)
      slot.setCount(ReferenceCount.maximum - distance)
      let saturated = FrameTable.saturatedFrameCount
      do {
        var cursor = try space.cursor(over: range(Self.twoMiB, 4096))
        try cursor.protect(4096, to: .read)
      }
      #expect(slot.count == min(ReferenceCount.maximum, ReferenceCount.maximum - distance + 511))
      #expect(FrameTable.saturatedFrameCount == saturated + (distance <= 511 ? 1 : 0))
      // Again, from the greatest count.
      slot.share(adding: 511)
      if distance <= 511 { #expect(slot.count == ReferenceCount.maximum) }
      #expect(FrameTable.saturatedFrameCount == saturated + 1)
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

    @Test(arguments: [0, 4096] as [UInt64])
    func `a table that lacks one page does not collapse`(missing: UInt64) throws {
      let space = try VmSpace()
      let length = Self.twoMiB - 4096
      try mapDevice(at: Self.twoMiB + missing, 0x40_0000_0000 + missing, length, in: space)
      do {
        var cursor = try space.cursor(over: range(0, 2 * Self.twoMiB))
        #expect(cursor.collapse(2 * Self.twoMiB) == 0)
      }
      #expect(space.problems == [])
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
