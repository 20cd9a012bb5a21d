import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Pages that are mapped, changed and unmapped one by one.
  @Suite("Page mapper") struct PageMapperTests {
    static let twoMiB = PageSize.twoMiB.byteCount
    static let oneGiB = PageSize.oneGiB.byteCount
    static let device: UInt64 = 0x40_0000_0000
    let machine: SimulatedMachine
    private let page = VirtualAddress(0x5000)

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      machine.mmu.options.sizeChange = .atOnce
    }

    /// Runs `body` with a space that is active, and checks that nothing leaks and all is flushed.
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

    private var whole: Range<VirtualAddress> { VmSpace.start..<VmSpace.end }

    @Test func `a page is mapped to a frame of its own, which is zeros`() throws {
      try inSpace { space in
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.map(page, as: .userReadWrite).flush()
        }
        #expect(try machine.mmu.read(UInt64.self, at: 0x5008) == 0)
        try machine.mmu.write(UInt64(7), at: 0x5008)
        let translation = space.translate(page)
        let found = try #require(translation)
        #expect(found.property.access == .readWrite)
        #expect(throws: TesseraError.inUse) {
          _ = try Frame(claiming: found.address, metadata: PlainMemory())
        }
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.unmap(page).flush()
        }
        #expect(space.translate(page) == nil)
        _ = try Frame(claiming: found.address, metadata: PlainMemory())
      }
    }

    @Test func `a frame of the caller's is mapped, and is the mapping's then`() throws {
      try inSpace { space in
        let kept = try Frame(allocating: PlainMemory())
        var frame: Frame<PlainMemory>? = kept.share()
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.map(&frame, at: page, as: .userRead).flush()
        }
        let (isMoved, count) = (isGone(frame), kept.referenceCount)
        #expect(isMoved && count == 2)
        #expect(space.translate(page)?.address == kept.address)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.unmap(page).flush()
        }
        let countLeft = kept.referenceCount
        #expect(countLeft == 1)
      }
    }

    @Test(arguments: Samples.sizes)
    func `device memory is mapped in one page of the size that is asked for`(size: PageSize) throws
    {
      try inSpace { space in
        let place = VirtualAddress(4 * Self.oneGiB)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          let flush = try unsafe mapper.mapDevice(
            PhysicalAddress(Self.device), at: place, of: size,
            as: .userReadWrite.with(cachePolicy: .uncacheable))
          let isSame = flush.page == place && flush.size == size
          #expect(isSame)
          flush.flush()
        }
        #expect(space.translate(place)?.property.cachePolicy == .uncacheable)
        #expect(try entrySize(at: place, in: space) == size.byteCount)
        let last = VirtualAddress(place.rawValue + size.byteCount - 1)
        #expect(space.translate(last)?.address.rawValue == Self.device + size.byteCount - 1)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          let flush = try mapper.unmap(place)
          let hasSize = flush.size == size
          #expect(hasSize)
        }
        #expect(space.translate(place) == nil)
      }
    }

    private func entrySize(
      at page: VirtualAddress, in space: borrowing VmSpace
    ) throws -> UInt64 {
      try space.withCursor(overMapped: page..<VirtualAddress(page.rawValue + 4096)) {
        cursor throws(TesseraError) in try cursor.query().entryByteCount
      }
    }

    /// How large a page is does not depend on the tables that are there already.
    @Test func `a large page is one page even where an empty table is`() throws {
      try inSpace { space in
        let place = VirtualAddress(Self.oneGiB)
        let inner = VirtualAddress(Self.oneGiB + 0x5000)
        try mapFrame(at: Self.oneGiB + Self.twoMiB, in: space)
        let used = FrameAllocator.statistics.usedFrameCount
        try space.withCursor(over: bytes(inner.rawValue, 4096)) { cursor throws(TesseraError) in
          try cursor.setStatus(4096, to: 7)
        }
        #expect(space.rootNode.node(for: place.rawValue, at: 1) != nil)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.map(place, of: .twoMiB, as: .userReadWrite).flush()
        }
        #expect(space.rootNode.node(for: place.rawValue, at: 1) == nil)
        #expect(try entrySize(at: place, in: space) == Self.twoMiB)
        #expect(try machine.mmu.read(UInt64.self, at: place.rawValue + 0x5000) == 0)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.unmap(place).flush()
        }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
    }

    @Test func `a large page at the place of small ones never has two sizes in a TLB`() throws {
      try inSpace { space in
        let place = VirtualAddress(Self.oneGiB)
        try mapSegment(8, at: Self.oneGiB, in: space)
        for index in 0..<8 as Range<UInt64> {
          try machine.mmu.write(index, at: Self.oneGiB + index << 12)
        }
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          for index in 0..<8 as Range<UInt64> {
            try mapper.unmap(VirtualAddress(Self.oneGiB + index << 12)).postpone()
          }
          try mapper.map(place, of: .twoMiB, as: .userReadWrite).flush()
          _ = try? machine.mmu.read(UInt64.self, at: Self.oneGiB)
          try mapper.unmap(place).postpone()
          let small = try mapper.map(place, as: .userReadWrite)
          let isPending = small.isPending
          #expect(!isPending, "what was there was flushed before")
          _ = try? machine.mmu.read(UInt64.self, at: Self.oneGiB)
        }
        #expect(machine.violations == [])
      }
    }

    @Test func `translation finds any page, and none where nothing is mapped`() throws {
      try inSpace { space in
        let memory = try mapFrame(at: 0x5000, in: space, as: .userRead)
        try space.withPageMapper(over: bytes(0x8000, 4096)) { mapper throws(TesseraError) in
          let found = mapper.translate(VirtualAddress(0x5123))
          #expect(found?.address == memory + 0x123)
          #expect(found?.property.access == .read)
          let missing = mapper.translate(VirtualAddress(0x8000))
          #expect(missing == nil)
        }
      }
    }

    @Test func `a page gets another property, and keeps its frame and its marks`() throws {
      try inSpace { space in
        let memory = try mapFrame(at: 0x5000, in: space)
        try machine.mmu.write(UInt64(7), at: 0x5008)
        let property = PageProperty.userRead.with(software: 2).with(cachePolicy: .writeThrough)
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.remap(page, as: property).flush()
        }
        let translation = space.translate(page)
        let found = try #require(translation)
        #expect(found.address == memory)
        #expect(found.property == property.with(isAccessed: true, isDirty: true))
        #expect(throws: PageFault.self) { try machine.mmu.write(UInt64(8), at: 0x5008) }
        #expect(try machine.mmu.read(UInt64.self, at: 0x5008) == 7)
      }
    }

    @Test func `a page that a fork shares does not become writable`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        let child = try space.fork()
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          try mapper.remap(page, as: .userReadWrite).flush()
        }
        let translation = space.translate(page)
        let found = try #require(translation)
        #expect(found.property.access == .read && found.property.isCopyOnWrite)
        #expect(child.problems == [])
      }
    }

    @Test func `a table that became empty is freed with the page, after the flush`() throws {
      try inSpace { space in
        let used = FrameAllocator.statistics.usedFrameCount
        try mapFrame(at: Self.oneGiB, in: space)
        try machine.mmu.write(UInt64(1), at: Self.oneGiB)
        let node = space.rootNode.node(for: Self.oneGiB, at: 1)
        let table = try #require(node).address.rawValue
        try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
          let freed = machine.mmu.statistics.freedFrames
          let flush = try mapper.unmap(VirtualAddress(Self.oneGiB))
          let isCached = machine.mmu.cachedTables(on: 0).contains(table)
          #expect(isCached, "the test can see what it is about")
          flush.flush()
          let isStillCached = machine.mmu.cachedTables(on: 0).contains(table)
          let now = machine.mmu.statistics.freedFrames
          #expect(!isStillCached && now == freed, "flushed, and not freed with a lock held")
        }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
    }

    @Test func `pages of the kernel are mapped in the same way`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      let start = KernelSpace.area.lowerBound
      try KernelSpace.withPageMapper(over: bytes(start.rawValue, 8192)) {
        mapper throws(TesseraError) in
        try mapper.map(start, as: .kernelReadWrite).flush()
      }
      #expect(KernelSpace.translate(start)?.property.isGlobal == true)
      try machine.mmu.write(UInt64(7), at: start.rawValue, as: .supervisor)
      try KernelSpace.withPageMapper(over: bytes(start.rawValue, 8192)) {
        mapper throws(TesseraError) in
        try mapper.remap(start, as: .kernelRead).flush()
        try mapper.unmap(start).flush()
      }
      machine.checkCoherent()
      #expect(KernelSpace.translate(start) == nil && KernelSpace.problems == [])
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
      #expect(throws: TesseraError.outOfBounds) {
        try KernelSpace.withPageMapper(over: bytes(0x5000, 4096)) { _ in }
      }
    }
  }
}
