import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Pages of an object that a fault on another one maps.
  @Suite("Pages around a fault") struct FaultAroundTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 1600)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    /// Calls `body` with an object of 40 pages, of which those of `cached` are in memory.
    private func withFile(
      caching cached: [UInt64],
      _ body: (borrowing VmSpace, PagedProgram, borrowing MemoryObject, TestStore) throws -> Void
    ) throws {
      let file = TestStore()
      for page in 0..<40 as Range<UInt64> { file.setPage(page, to: page + 1) }
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 40 * 4096, store: file.pageStore)
        for page in cached {
          let isCached = object.handle(ofPage: page) != nil
          #expect(isCached)
        }
        var program = program
        program.store = file
        try body(space, program, object, file)
        file.finishAll()
        VmSpace.deactivate()
      }
    }

    /// Those of the first 40 pages from `place` that are mapped.
    private func mappedPages(of space: borrowing VmSpace) -> [UInt64] {
      var mapped: [UInt64] = []
      for page in 0..<40 as Range<UInt64> where space.page(at: address(page)) != nil {
        mapped.append(page)
      }
      return mapped
    }

    private func fault(
      _ page: UInt64, _ access: MemoryAccess = .read, in space: borrowing VmSpace,
      _ options: SupplyOptions = SupplyOptions()
    ) -> FaultResolution {
      space.resolve(access, at: VirtualAddress(address(page)), options)
    }

    @Test func `a fault maps what is in memory of the block around it`() throws {
      try withFile(caching: [0, 1, 3, 4, 15, 16, 17]) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 40 * 4096), as: Self.shared)
        #expect(fault(2, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == [0, 1, 2, 3, 4, 15])
        #expect(file.readCount == 8, "only the page of the fault was read")
        for page in mappedPages(of: space) {
          let found = try space.requiredPage(at: address(page))
          #expect(found.index == page && found.slot.count == 2)
          #expect(Pager.page(at: found.address)?.mapCount == 1)
        }
        for page in 0..<40 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    @Test(arguments: [1, 2, 16, 64])
    func `the block is as large as the options say`(count: Int) throws {
      try withFile(caching: Array(0..<40)) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 40 * 4096), as: Self.shared)
        let options = SupplyOptions(cachedPageCount: count)
        #expect(fault(17, in: space, options) == .resolved(.paged))
        let block = 17 / count * count
        let expected = (block..<min(40, block + count)).map { UInt64($0) }
        #expect(mappedPages(of: space) == expected)
      }
    }

    @Test func `what is written through a page around a fault reaches the file`() throws {
      try withFile(caching: Array(0..<16)) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 40 * 4096), as: Self.shared)
        #expect(fault(9, .write, in: space) == .resolved(.paged))
        #expect(try program.write(100, at: address(4), in: space) == [], "no other fault")
        #expect(object.synchronize() == SynchronizeResult(written: 1))
        #expect(file.word(4) == 100)
        Pager.reclaim(1600)
        #expect(mappedPages(of: space) == [])
        #expect(object.usage().resident == 0)
        try program.expect(100, at: address(4), in: space)
        try program.expect(6, at: address(5), in: space)
      }
    }

    @Test func `pages around a fault of a private mapping are copied before they are written`()
      throws
    {
      try withFile(caching: Array(0..<16)) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 40 * 4096), as: .userReadWrite)
        #expect(fault(9, .write, in: space) == .resolved(.copy))
        #expect(mappedPages(of: space) == Array(0..<16))
        let own = try space.requiredPage(at: address(9))
        #expect(!own.owner.isObject)
        #expect(try program.write(100, at: address(4), in: space) == [.resolved(.copy)])
        #expect(object.synchronize() == SynchronizeResult())
        let kept = try object.requiredPage(4)
        #expect(kept.slot.count == 1)
        try program.expect(100, at: address(4), in: space)
      }
    }

    @Test func `pages with other rights, and pages of other objects, are left`() throws {
      try withFile(caching: Array(0..<16)) { space, program, object, file in
        let other = try MemoryObject(byteCount: 8 * 4096)
        for page in 0..<8 as Range<UInt64> { other.write(page, toPage: page) }
        try space.map(object, at: bytes(Self.place, 8 * 4096), as: Self.shared)
        try space.map(other, at: bytes(address(8), 8 * 4096), as: Self.shared)
        try space.protect(1, at: address(2), to: .read)
        #expect(fault(4, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == [0, 1, 3, 4, 5, 6, 7])
        #expect(fault(2, .write, in: space) == .denied)
        try program.expect(2, at: address(10), in: space)
      }
    }

    /// The two objects have consecutive addresses in the object space.
    @Test func `a mapping beyond the end of its object has no pages of the next`() throws {
      try withFile(caching: []) { space, program, _, file in
        let object = try MemoryObject(byteCount: 4 * 4096)
        let next = try MemoryObject(byteCount: 4 * 4096)
        for page in 0..<4 as Range<UInt64> {
          object.write(page + 1, toPage: page)
          next.write(99, toPage: page)
        }
        #expect(next.record.value.base == object.record.value.address(of: 4))
        try space.map(object, at: bytes(Self.place, 16 * 4096), as: Self.shared)
        #expect(fault(1, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == [0, 1, 2, 3])
        try program.expect(nil, at: address(4), in: space)
      }
    }

    @Test func `a mapping that begins within a block, and within its object, maps its own`() throws
    {
      try withFile(caching: Array(0..<40)) { space, program, object, file in
        try space.map(object, from: 3, at: bytes(address(5), 6 * 4096), as: Self.shared)
        #expect(fault(7, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == Array(5..<11))
        for page in 5..<11 as Range<UInt64> {
          try program.expect(page - 1, at: address(page), in: space)
        }
        try program.expect(nil, at: address(4), in: space)
      }
    }

    /// Only one table of the object space is locked.
    @Test func `pages in another table of the object space are left`() throws {
      try withFile(caching: []) { space, program, _, file in
        let filler = try MemoryObject(byteCount: 470 * 4096)
        let object = try MemoryObject(byteCount: 16 * 4096)
        for page in 0..<16 as Range<UInt64> { object.write(page + 1, toPage: page) }
        let base = object.record.value.base
        let end = base.endOfLeafTable
        #expect(end.byteCount(from: base) == 2 * 4096 && filler.number < object.number)
        try space.map(object, at: bytes(Self.place, 16 * 4096), as: Self.shared)
        #expect(fault(1, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == [0, 1])
        #expect(fault(7, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == Array(0..<16))
        for page in 0..<16 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    @Test func `a page that is being read is not mapped before it has been`() throws {
      try withFile(caching: [3]) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 40 * 4096), as: Self.shared)
        file.isSlow = true
        let isThere = object.handle(ofPage: 4) != nil
        #expect(!isThere && file.waitingCount == 1)
        #expect(fault(3, in: space) == .resolved(.paged))
        #expect(mappedPages(of: space) == [3])
        #expect(fault(4, in: space) == .busy)
        file.finishAll()
        #expect(fault(4, in: space) == .resolved(.paged))
        try program.expect(5, at: address(4), in: space)
      }
    }

    @Test func `whether a page is in memory is known without bringing it`() throws {
      try withFile(caching: [3]) { space, program, object, file in
        for page in 0..<40 as Range<UInt64> {
          #expect(object.isInMemory(page: page) == (page == 3))
        }
        let next = try MemoryObject(byteCount: 4096)
        next.write(1, toPage: 0)
        #expect(next.isInMemory(page: 0) && !object.isInMemory(page: 40))
        #expect(file.readCount == 1)
      }
    }
  }
}
