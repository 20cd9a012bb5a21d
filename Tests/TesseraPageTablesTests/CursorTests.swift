import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Cursor") struct CursorTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// The mapped pages, found by `query` from page to page.
    private func pages(
      _ cursor: inout Cursor
    ) throws -> [UInt64] {
      var found: [UInt64] = []
      while !cursor.isAtEnd {
        let run = try cursor.query()
        if case .mapped = run.content { found.append(cursor.address.rawValue) }
        let end = run.start.rawValue + run.byteCount
        do { try cursor.jump(to: VirtualAddress(end)) } catch { break }
      }
      return found
    }

    @Test func `a query of a new space returns one absent run per root entry`() throws {
      let space = try VmSpace()
      let cursor = try space.cursor(over: VirtualAddress(0)..<VmSpace.end)
      let run = try cursor.query()
      #expect(run.content == .absent)
      #expect(run.start == VirtualAddress(0))
      #expect(run.byteCount == 1 << 39)
    }

    @Test func `a node with one remaining table stays when another is removed`() throws {
      let space = try VmSpace()
      let pages: [UInt64] = [0, 2 << 20, 1 << 30]
      for page in pages { try mapFrame(at: page, in: space) }
      do {
        var cursor = try space.cursor(over: bytes(0, 4 << 30))
        #expect(try cursor.unmap(2 << 20) == 4096)
      }
      let left = pages.filter { space.translate(VirtualAddress($0)) != nil }
      #expect(left == [2 << 20, 1 << 30])
      #expect(machine.violations == [])
    }

    @Test func `a query does not move the cursor, and fails at the end`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      var cursor = try space.cursor(over: bytes(0x5000, 8192))
      for _ in 0..<2 {
        let run = try cursor.query()
        #expect(run.start == VirtualAddress(0x5000))
        #expect(run.byteCount == 4096)
        #expect(cursor.address == VirtualAddress(0x5000))
      }
      try cursor.jump(to: VirtualAddress(0x7000))
      let isAtEnd = cursor.isAtEnd
      #expect(isAtEnd)
      var error: TesseraError?
      do throws(TesseraError) { _ = try cursor.query() } catch let found { error = found }
      #expect(error == .outOfBounds)
      try cursor.jump(to: VirtualAddress(0x6000))
      #expect(try cursorContent(cursor) == .absent)
    }

    private func cursorContent(_ cursor: borrowing Cursor) throws -> PageContent {
      try cursor.query().content
    }

    @Test func `a walk by query and jump visits every page once`() throws {
      let space = try VmSpace()
      let places: [UInt64] = [0, 0x5000, 0x1f_f000, 0x20_0000, 1 << 30, (1 << 39) - 4096, 1 << 39]
      for place in places { try mapFrame(at: place, in: space) }
      var cursor = try space.cursor(over: bytes(0, 1 << 40))
      #expect(try pages(&cursor) == places)
    }

    @Test func `a search stops at each mapped page, and then at the end`() throws {
      let space = try VmSpace()
      let places: [UInt64] = [0x5000, 0x1f_f000, 0x20_0000, 1 << 30, (1 << 39) - 4096, 1 << 39]
      for place in places { try mapFrame(at: place, in: space) }
      try mark(0x8000, 4096, as: 1, in: space)
      var cursor = try space.cursor(over: bytes(0, 1 << 40))
      var found: [UInt64] = []
      while cursor.findNext(within: (1 << 40) - cursor.address.rawValue) {
        found.append(cursor.address.rawValue)
        try cursor.jump(to: VirtualAddress(cursor.address.rawValue + 4096))
      }
      #expect(found == places)
      let isAtEnd = cursor.isAtEnd
      #expect(isAtEnd)
      try cursor.jump(to: VirtualAddress(0x6000))
      let isFound = cursor.findNext(within: 0x10_0000)
      #expect(!isFound)
      #expect(cursor.address == VirtualAddress(0x10_6000))
      let isFoundAtOnce = cursor.findNext(within: 0)
      #expect(!isFoundAtOnce)
    }

    @Test func `a search of an empty range stops at its end`() throws {
      let space = try VmSpace()
      var cursor = try space.cursor(over: bytes(0x5000, 0x10_0000))
      let isFound = cursor.findNext(within: 0x2000)
      #expect(!isFound)
      #expect(cursor.address == VirtualAddress(0x7000))
    }

    @Test(arguments: [0, 1, 2] as [UInt64])
    func `mapping a segment fails if any of its pages is mapped`(index: UInt64) throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000 + index * 4096, in: space)
      #expect(throws: TesseraError.alreadyMapped(VirtualAddress(0x5000 + index * 4096))) {
        try mapSegment(3, at: 0x5000, in: space)
      }
      #expect(space.problems == [])
    }

    @Test func `a page without access is mapped and owned, and can be restored`() throws {
      let space = try VmSpace()
      let memory = try mapFrame(at: 0x5000, in: space)
      space.activate()
      let slot = FrameTable.slot(number: memory.frameNumber)
      do {
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        let count = try cursor.protect(4096, to: .none)
        #expect(count == 4096)
        try cursor.jump(to: VirtualAddress(0x5000))
        #expect(
          try cursorContent(cursor)
            == .mapped(memory, PageProperty(.none, isUser: true), ownsFrame: true))
        let isFound = cursor.findNext(within: 4096)
        #expect(isFound)
      }
      #expect(slot.count == 1)
      #expect(space.translate(VirtualAddress(0x5000)) == nil)
      let node = try #require(space.rootNode.node(for: 0x5000, at: 1))
      #expect(node[5].rawValue & PageTableEntry.addressMask >= 1 << 51, "not beyond memory")
      machine.checkCoherent()
      do {
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.protect(4096, to: .readWrite)
      }
      #expect(space.translate(VirtualAddress(0x5000))?.address == memory)
      VmSpace.deactivate()
    }

    @Test func `unmapped pages of any size and access are counted`() throws {
      let space = try VmSpace()
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 1 << 30, in: space)
      try mapDevice(at: 2 << 20, 0x10_0000_0000, 2 << 20, in: space)
      try mapFrame(at: 0x5000, in: space, as: PageProperty(.none, isUser: true))
      try mark(0x6000, 4096, as: 1, in: space)
      var cursor = try space.cursor(over: bytes(0, 1 << 40))
      let count = try cursor.unmap(1 << 40)
      #expect(count == 1 << 30 + 2 << 20 + 4096)
      let isAtEnd = cursor.isAtEnd
      #expect(isAtEnd)
    }

    @Test func `protecting changes only the pages of its range`() throws {
      let space = try VmSpace()
      for page in 4..<9 as Range<UInt64> { try mapFrame(at: page << 12, in: space) }
      var cursor = try space.cursor(over: bytes(0x4000, 0x5000))
      try cursor.jump(to: VirtualAddress(0x5000))
      let count = try cursor.protect(0x3000, to: .readExecute)
      #expect(count == 0x3000)
      #expect(cursor.address == VirtualAddress(0x8000))
      let access = (4..<9).map { page in
        space.translate(VirtualAddress(UInt64(page) << 12))?.property.access
      }
      #expect(access == [.readWrite, .readExecute, .readExecute, .readExecute, .readWrite])
    }

    @Test func `changing part of a large page leaves the rest unchanged`() throws {
      let space = try VmSpace()
      let memory: UInt64 = 0x40_0000_0000
      var property = PageProperty.userReadWrite.with(cachePolicy: .writeCombining)
      property.software = 2
      do {
        var cursor = try space.cursor(over: bytes(1 << 30, 1 << 30))
        try unsafe cursor.mapDevice(PhysicalAddress(memory), byteCount: 1 << 30, as: property)
      }
      let page: UInt64 = 1 << 30 + 7 << 21 + 5 << 12
      do {
        var cursor = try space.cursor(over: bytes(page, 4096))
        try cursor.protect(4096, to: .read)
      }
      for place in [1 << 30, page - 4096, page + 4096, 2 << 30 - 1] as [UInt64] {
        let translation = space.translate(VirtualAddress(place))
        #expect(translation?.address.rawValue == memory + place - 1 << 30)
        #expect(translation?.property == property)
      }
      #expect(space.translate(VirtualAddress(page))?.property == property.with(.read))
      #expect(space.problems == [])
    }

    @Test func `a copy shares frames, makes them read-only, and moves both cursors`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      let memory = try mapFrame(at: 0x5000, in: parent)
      try mark(0x7000, 4096, as: 9, in: parent)
      try mapDevice(at: 0x8000, 0x40_0000_0000, 4096, in: parent)
      parent.activate()
      do {
        var source = try parent.cursor(over: bytes(0x4000, 0x10_0000))
        var cursor = try child.cursor(over: bytes(0x4000, 0x10_0000))
        try cursor.copy(from: &source, 0x8_0000)
        #expect(cursor.address == VirtualAddress(0x8_4000))
        #expect(source.address == VirtualAddress(0x8_4000))
        try cursor.jump(to: VirtualAddress(0x7000))
        #expect(try cursorContent(cursor) == .status(9))
      }
      #expect(FrameTable.slot(number: memory.frameNumber).count == 2)
      #expect(parent.translate(VirtualAddress(0x5000))?.property.access == .read)
      #expect(child.translate(VirtualAddress(0x5000))?.property.access == .read)
      #expect(child.translate(VirtualAddress(0x5123))?.address == memory + 0x123)
      #expect(child.translate(VirtualAddress(0x8000))?.property.access == .readWrite)
      machine.expectNoCachedRights(.writes, in: 0x5000..<0x6000)
      VmSpace.deactivate()
    }

    @Test func `a cursor with a reservation maps and splits without allocating`() throws {
      let space = try VmSpace()
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 2 << 20, in: space)
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var cursor = try space.cursor(
        over: bytes(1 << 30, 8 << 20), reservingNodes: true)
      machine.failAllocation(1)
      defer { machine.failAllocation(0) }
      try cursor.jump(to: VirtualAddress(1 << 30 + 4096))
      try cursor.unmap(4096)
      try cursor.jump(to: VirtualAddress(1 << 30 + 6 << 20))
      try cursor.map(&frame, as: .userReadWrite)
      #expect(!machine.hasFailedAllocation)
    }

    @Test func `mapping and unmapping with one cursor leaves no nodes`() throws {
      NodePool.drain()
      let space = try VmSpace()
      space.activate()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 40))
        for place in [0, 2 << 20, 1 << 30, 1 << 39] as [UInt64] {
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          try cursor.jump(to: VirtualAddress(place))
          try cursor.map(&frame, as: .userReadWrite)
        }
        try cursor.jump(to: VirtualAddress(0))
        try cursor.unmap(1 << 40)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      machine.checkCoherent()
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }
  }
}
