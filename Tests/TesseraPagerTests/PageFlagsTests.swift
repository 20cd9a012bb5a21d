import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraFaults
@testable import TesseraPageTables
@testable import TesseraPager

extension OnSimulatedMachine {
  /// What the flags of a page say of it.
  @Suite("Flags of pages") struct PageFlagsTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 300)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    @Test func `a page says whose it is, and how many map it`() throws {
      try withFile { space, program, object, _ in
        let place = Self.place + 2 * 4096
        _ = try program.read(at: place, in: space)
        let other = try space.fork()
        let address = try #require(space.translate(VirtualAddress(place))?.address)
        let page = try #require(Pager.page(at: address))
        #expect(page.owner.isObject && page.owner.number == object.number && page.index == 2)
        #expect(page.mapCount == 2 && page.flags.contains(.upToDate) && page.age == 2)
        let isPaged = other.isPaged
        #expect(isPaged)
        let root = space.rootAddress
        #expect(Pager.page(at: root) == nil)
      }
    }

    @Test func `all flags have their numbers`() {
      let flags: [(PageFlags, Int)] = [
        (.locked, 0), (.writeback, 1), (.referenced, 2), (.upToDate, 3), (.dirty, 4), (.lru, 5),
        (.head, 6), (.waiters, 7), (.active, 8), (.workingSet, 9), (.error, 10), (.slab, 11),
        (.reserved, 14), (.private, 15), (.reclaim, 18), (.swapBacked, 19),
      ]
      #expect(flags.count == 16)
      for (flag, bit) in flags { #expect(flag.rawValue == 1 << bit) }
      let all = flags.reduce(PageFlags(rawValue: 0)) { $0.union($1.0) }
      #expect(all.rawValue.nonzeroBitCount == 16)
      #expect(all.contains(.dirty) && !all.subtracting(.dirty).contains(.dirty))
      #expect(!PageFlags.dirty.contains(.dirty.union(.error)))
    }

    private func withFile(
      _ body: (borrowing VmSpace, PagedProgram, borrowing MemoryObject, TestStore) throws -> Void
    ) throws {
      let file = TestStore()
      for page in 0..<4 as Range<UInt64> { file.setPage(page, to: page + 1) }
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 4 * 4096, store: file.pageStore)
        let property = PageProperty.userReadWrite.with(isShared: true)
        try space.map(object, at: bytes(Self.place, 4 * 4096), as: property)
        var program = program
        program.store = file
        try body(space, program, object, file)
        file.finishAll()
      }
    }

    @Test func `a page of a file is locked while it is read, and then up to date`() throws {
      try withFile { space, program, object, file in
        file.isSlow = true
        #expect(space.resolve(.read, at: VirtualAddress(Self.place)) == .busy)
        let page = try object.requiredPage(0)
        #expect(page.flags == .locked)
        #expect(space.resolve(.read, at: VirtualAddress(Self.place)) == .busy)
        #expect(file.readCount == 1)
        file.finishAll()
        #expect(page.flags == .upToDate)
        try program.expect(1, at: Self.place, in: space)
      }
    }

    @Test func `a page of a file is dirty, then written back, then clean`() throws {
      try withFile { space, program, object, file in
        try program.write(9, at: Self.place, in: space)
        let page = try object.requiredPage(0)
        #expect(page.flags == .upToDate)
        try space.unmap(1, at: Self.place)
        #expect(page.flags == .upToDate.union(.dirty), "the mapping has left that behind")
        file.isSlow = true
        #expect(object.synchronize().beingWritten == 1)
        #expect(page.flags == .upToDate.union(.writeback))
        #expect(object.usage().beingWritten == 1 && object.usage().dirty == 0)
        file.finishAll()
        #expect(page.flags == .upToDate)
        #expect(object.write(8, toPage: 0).isResolved)
        #expect(page.flags == .upToDate.union(.dirty))
        #expect(object.usage().dirty == 1)
      }
    }

    @Test func `an error of the store is said until the next success`() throws {
      try withFile { space, program, object, file in
        #expect(object.write(8, toPage: 0).isResolved)
        let page = try object.requiredPage(0)
        file.failNext(reads: 1, writes: 1)
        #expect(object.synchronize() == SynchronizeResult(failed: 1))
        #expect(page.flags == .upToDate.union(.dirty).union(.error))
        #expect(object.write(8, toPage: 1) == .failed)
        #expect(object.page(1) == nil, "it was read in vain, and is not kept")
        #expect(Pager.statistics.storeFailures == 2)
        #expect(object.synchronize() == SynchronizeResult(written: 1))
        #expect(page.flags == .upToDate)
        #expect(object.write(8, toPage: 1).isResolved)
      }
    }

    @Test func `a page that is used again and again becomes active`() throws {
      try withFile { space, program, object, file in
        try program.expect(1, at: Self.place, in: space)
        let page = try object.requiredPage(0)
        #expect(page.age == 2)
        #expect(page.makeOlder(true) == 3)
        #expect(page.has(.referenced.union(.active)))
        #expect(page.makeOlder(false) == 2)
        #expect(!page.has(.referenced) && !page.has(.active))
        #expect(page.makeOlder(true) == 3 && page.makeOlder(true) == 4)
        #expect(page.makeOlder(true) == 4, "and no younger")
        let ages = (0..<5).map { _ in page.makeOlder(false) }
        #expect(ages == [3, 2, 1, 0, 0])
        #expect(page.flags == .upToDate)
      }
    }

    @Test func `a page from swap is of the working set`() throws {
      try machine.withPager { space, program in
        try space.reserve(2, at: Self.place)
        try program.write(1, at: Self.place, in: space)
        let page = try space.requiredPage(at: Self.place)
        #expect(page.flags == .upToDate)
        #expect(page.owner.isObject == false && page.index == Self.place >> 12)
        #expect(Pager.reclaim(1).freed == 1)
        try program.expect(1, at: Self.place, in: space)
        let again = try space.requiredPage(at: Self.place)
        #expect(again.flags == .upToDate.union(.workingSet).union(.swapBacked))
      }
    }

    @Test func `a page that is written to be taken away says so`() throws {
      let store = TestStore()
      store.isSlow = true
      try machine.withPager(store) { space, program in
        try space.reserve(1, at: Self.place)
        try program.write(1, at: Self.place, in: space)
        let page = try space.requiredPage(at: Self.place)
        #expect(Pager.reclaim(1).beingWritten > 0)
        #expect(
          page.flags == .upToDate.union(.swapBacked).union(.writeback).union(.reclaim))
        store.finishAll()
        #expect(page.flags == .upToDate.union(.swapBacked))
      }
    }
  }
}
