import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Which pages are taken away, and when their frames are free.
  @Suite("Pages that are taken away") struct ReclaimTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 500)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    /// Runs `body` with a space that has written `count` pages, each its number plus 1.
    private func withPages(
      _ count: UInt64, _ store: TestStore = TestStore(), slotCount: UInt32 = 4096,
      _ body: (borrowing VmSpace, PagedProgram) throws -> Void
    ) throws {
      try machine.withPager(slotCount: slotCount, store) { space, program in
        try space.reserve(count, at: address(0))
        for page in 0..<count { try program.write(page + 1, at: address(page), in: space) }
        try body(space, program)
      }
    }

    /// Runs `body` with a space that maps an object of `count` pages, each its number plus 1.
    private func withFile(
      _ count: UInt64,
      _ body: (borrowing VmSpace, PagedProgram, borrowing MemoryObject, TestStore)
        throws -> Void
    ) throws {
      let file = TestStore()
      for page in 0..<count { file.setPage(page, to: page + 1) }
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: count * 4096, store: file.pageStore)
        try space.map(object, at: bytes(Self.place, count * 4096), as: Self.shared)
        var program = program
        program.store = file
        try body(space, program, object, file)
        file.finishAll()
      }
    }

    @Test func `where there is nothing to take away, nothing is`() throws {
      try machine.withPager { space, _ in
        #expect(Pager.reclaim(100).freed == 0)
        #expect(Pager.reclaim(0) == ReclaimResult())
        #expect(Pager.reclaim(.max).freed == 0)
        #expect(Pager.reclaim(5).examined == 6 * 500, "each frame six times, and no more")
      }
    }

    @Test func `while another processor works on the last page, memory is not out`() throws {
      try withPages(1) { space, _ in
        let frame = space.translate(VirtualAddress(address(0)))?.address ?? PhysicalAddress(0)
        let page = try #require(PageReference(FrameTable.slot(at: frame)))
        let reclaim = try #require(SpacePager.current).reclaim
        #expect(page.tryLock())
        #expect(PageReclaiming(rawValue: reclaim()) == .busy)
        page.unlock()
        #expect(PageReclaiming(rawValue: reclaim()) == .done)
        #expect(PageReclaiming(rawValue: reclaim()) == .nothing)
      }
    }

    @Test func `all that can be is taken away, and then no more`() throws {
      try withPages(30) { space, program in
        #expect(Pager.reclaim(.max).freed == 30)
        #expect(Pager.reclaim(100).freed == 0)
        #expect(Pager.swapUsage.used == 30)
        #expect(Pager.statistics.evictions == 30)
        for page in 0..<30 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    /// All pages become as old as can be, because the store fails; then half of them are used.
    @Test func `pages that were used are taken away after those that were not`() throws {
      let store = TestStore()
      try withPages(40, store) { space, program in
        store.remainingWrites = 0
        #expect(Pager.reclaim(40).freed == 0)
        store.remainingWrites = .max
        func isUsed(_ page: UInt64) -> Bool { page % 2 == 0 }
        for page in 0..<40 as Range<UInt64> where isUsed(page) {
          try program.expect(page + 1, at: address(page), in: space)
        }
        let reads = store.readCount
        #expect(Pager.reclaim(20).freed == 20)
        for page in 0..<40 as Range<UInt64> {
          #expect((space.page(at: address(page)) != nil) == isUsed(page), "page \(page)")
        }
        for page in 0..<40 as Range<UInt64> where isUsed(page) {
          try program.expect(page + 1, at: address(page), in: space)
        }
        #expect(store.readCount == reads, "no page that was used had to be read")
        VmSpace.deactivate()
        #expect(Pager.reclaim(20).freed == 20, "once they are old, they go, too")
      }
    }

    @Test func `pages of a file that were used stay longer than others`() throws {
      try withFile(40) { space, program, object, file in
        for page in 0..<40 as Range<UInt64> { _ = try program.read(at: address(page), in: space) }
        // While they are held, all become as old as can be.
        let handles = (0..<40).map { HeldPage(object.handle(ofPage: $0)) }
        #expect(Pager.reclaim(1).freed == 0)
        VmSpace.deactivate()
        for page in 0..<10 as Range<UInt64> { _ = try program.read(at: address(page), in: space) }
        for handle in handles { handle.release() }
        #expect(Pager.reclaim(30).freed == 30)
        for page in 0..<40 as Range<UInt64> {
          #expect((space.page(at: address(page)) != nil) == (page < 10), "page \(page)")
        }
      }
    }

    @Test func `a page with a handle is not taken away until it is released`() throws {
      try withPages(10) { space, program in
        let page = try space.requiredPage(at: address(4))
        let handle = page.handle
        #expect(Pager.reclaim(100).freed == 9)
        #expect(space.page(at: address(4)) == page)
        #expect(Pager.swapUsage.used == 9)
        _ = consume handle
        #expect(Pager.reclaim(100).freed == 1)
        #expect(space.page(at: address(4)) == nil)
        try program.expect(5, at: address(4), in: space)
      }
    }

    @Test func `a page of an object with a handle stays mapped`() throws {
      try withFile(10) { space, program, object, file in
        for page in 0..<10 as Range<UInt64> { _ = try program.read(at: address(page), in: space) }
        let held = HeldPage(object.handle(ofPage: 4))
        #expect(Pager.reclaim(100).freed == 9)
        #expect(space.page(at: address(4)) != nil && object.usage().resident == 1)
        held.release()
        #expect(Pager.reclaim(100).freed == 1)
        #expect(space.page(at: address(4)) == nil && object.usage().resident == 0)
      }
    }

    /// Writes to all frames that are free, as their next owners would.
    private func overwriteFreeFrames() throws {
      var frames: [PhysicalAddress] = []
      while let frame = try? FrameAllocator.allocate() { frames.append(frame) }
      #expect(frames.count > 200)
      for frame in frames {
        unsafe PhysicalMemory.pointer(to: frame)
          .initializeMemory(as: UInt8.self, repeating: 0xee, count: 4096)
      }
      for frame in frames { FrameAllocator.free(frame) }
    }

    @Test func `a frame is free only once its page is written`() throws {
      let store = TestStore()
      store.isSlow = true
      store.copiesLate = true
      try withPages(60, store) { space, program in
        let result = Pager.reclaim(60)
        #expect(result.freed == 0 && result.beingWritten >= 60)
        #expect(store.waitingCount == 60)
        #expect(Pager.usage().anonymous.beingWritten == 60)
        try overwriteFreeFrames()
        store.finishAll()
        #expect(Pager.usage().anonymous.resident == 60)
        #expect(Pager.reclaim(60).freed == 60, "what was written need not be written again")
        #expect(store.writeCount == 60)
        for page in 0..<60 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    @Test func `a page that is used while it is written stays`() throws {
      let store = TestStore()
      store.isSlow = true
      try withPages(2, store) { space, program in
        #expect(Pager.reclaim(2).beingWritten > 0)
        #expect(space.page(at: address(0)) == nil)
        try program.expect(1, at: address(0), in: space)
        #expect(try program.write(70, at: address(1), in: space).last?.isResolved == true)
        store.finishAll()
        #expect(store.readCount == 0)
        #expect(space.page(at: address(0)) != nil)
        try program.expect(1, at: address(0), in: space)
        try program.expect(70, at: address(1), in: space)
        while Pager.reclaim(2).freed < 1 { store.finishAll() }
        store.finishAll()
        try program.expect(70, at: address(1), in: space)
        try program.expect(1, at: address(0), in: space)
      }
    }

    @Test func `memory that was written by a slow store is freed afterwards`() throws {
      let store = TestStore()
      store.isSlow = true
      try machine.withPager(store) { space, program in
        let memory = try MemoryObject(byteCount: 20 * 4096)
        try space.map(memory, at: bytes(Self.place, 20 * 4096), as: Self.shared)
        for page in 0..<20 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        #expect(Pager.reclaim(20).beingWritten > 0)
        store.finishAll()
        #expect(Pager.reclaim(20).freed == 20)
        #expect(Pager.usage().objects.resident == 0)
        #expect(store.writeCount == 20)
        for page in 0..<20 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    @Test func `what a program writes while a page is written back is not lost`() throws {
      try withFile(3) { space, program, object, file in
        try program.write(50, at: address(1), in: space)
        file.duringWrite = { [machine] in try? machine.mmu.write(UInt64(51), at: Self.place + 4096)
        }
        #expect(object.synchronize().written == 1)
        #expect(file.word(1) == 50)
        #expect(object.synchronize().written == 1)
        #expect(file.word(1) == 51)
        #expect(object.synchronize() == SynchronizeResult())
      }
    }

    @Test func `what the kernel writes while a page is taken away is not lost`() throws {
      try withFile(3) { space, program, object, file in
        try program.write(50, at: address(1), in: space)
        let other = object.share()
        let writer = ObjectWriter(other)
        file.duringWrite = { writer.write(51, toPage: 1) }
        Pager.reclaim(3)
        #expect(file.duringWrite == nil)
        try program.expect(51, at: address(1), in: space)
        while !object.synchronize().isComplete {}
        #expect(file.word(1) == 51)
      }
    }

    @Test func `the pages of an object go to the store at their byte offsets`() throws {
      try withFile(6) { space, program, object, file in
        try program.write(33, at: address(3), in: space)
        try program.write(55, at: address(5), in: space)
        #expect(object.synchronize().written == 2)
        #expect(file.pages[12288]?.first == 33 && file.pages[20480]?.first == 55)
        #expect(file.pages.keys.sorted() == [0, 4096, 8192, 12288, 16384, 20480])
        try program.write(34, at: address(3), in: space)
        #expect(Pager.reclaim(100).freed == 2)
        #expect(file.pages[12288]?.first == 34)
        #expect(file.pages.keys.count == 6)
        try program.expect(34, at: address(3), in: space)
      }
    }

    @Test func `a page of an object that is gone is not written to the next one`() throws {
      let (first, second) = (TestStore(), TestStore())
      second.setPage(0, to: 7)
      try machine.withPager { space, program in
        let held: HeldPage
        do {
          let object = try MemoryObject(byteCount: 4096, store: first.pageStore)
          #expect(object.write(66, toPage: 0).isResolved)
          held = HeldPage(object.handle(ofPage: 0))
        }
        let object = try MemoryObject(byteCount: 4096, store: second.pageStore)
        #expect(object.number == 1)
        Pager.reclaim(100)
        #expect(second.word(0) == 7 && second.writeCount == 0)
        held.release()
      }
    }

    @Test func `low and high marks keep frames free`() throws {
      try withPages(1) { space, program in
        Pager.setMarks(low: 100, high: 150)
        try space.reserve(600, at: address(100))
        var least = UInt64.max
        for page in 100..<700 as Range<UInt64> {
          try program.write(page, at: address(page), in: space)
          let statistics = FrameAllocator.statistics
          least = min(least, statistics.freeFrameCount + statistics.cachedFrameCount)
        }
        #expect(least >= 100 - 17, "it looks once in 16 allocations")
        for page in 100..<700 as Range<UInt64> {
          try program.expect(page, at: address(page), in: space)
        }
      }
    }
  }
}

/// A handle to a page that an array can have.
private final class HeldPage {
  private var frame: PageFrame?

  init(_ frame: consuming PageFrame?) { self.frame = frame }

  func release() { frame = nil }
}

/// An object that a closure can have.
private final class ObjectWriter {
  private let object: MemoryObject

  init(_ object: consuming MemoryObject) { self.object = object }

  func write(_ value: UInt64, toPage index: UInt64) { object.write(value, toPage: index) }
}
