import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Changes by mask of what is mapped.
  @Suite("Page changes") struct PageChangeTests {
    let machine: SimulatedMachine
    private static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func property(_ space: borrowing VmSpace, _ page: UInt64) throws -> PageProperty? {
      let cursor = try space.cursor(over: bytes(Self.place + page << 12, 4096))
      guard case .mapped(_, let property, _) = try cursor.query().content else { return nil }
      return property
    }

    /// The flushed pages and full flushes of `body`, after which no TLB may be stale.
    private func flushes(_ body: () throws -> Void) rethrows -> [UInt64] {
      let before = (FlushStatistics.pageCount, FlushStatistics.fullFlushCount)
      try body()
      machine.checkCoherent()
      return [
        FlushStatistics.pageCount - before.0, FlushStatistics.fullFlushCount - before.1,
      ]
    }

    private static let accesses: [PageAccess] = [
      .none, .read, .readWrite, .readExecute, .readWriteExecute,
    ]
    private static let rights: [PageChange.Rights] = [
      .none, .read, .write, .execute, .read.union(.write), .read.union(.execute),
      .write.union(.execute), .all,
    ]

    /// What is left of `access`, computed right by right.
    private func expected(
      _ access: PageAccess, removing removed: PageChange.Rights, adding added: PageChange.Rights
    ) -> PageAccess {
      func has(_ right: PageChange.Rights, _ had: Bool) -> Bool {
        added.contains(right) || had && !removed.contains(right)
      }
      guard has(.read, access.allowsRead) else { return .none }
      switch (has(.write, access.allowsWrite), has(.execute, access.allowsExecute)) {
      case (false, false): return .read
      case (true, false): return .readWrite
      case (false, true): return .readExecute
      case (true, true): return .readWriteExecute
      }
    }

    @Test func `every mask of rights does the same to every page, and flushes what lost one`()
      throws
    {
      for removed in Self.rights {
        for added in Self.rights {
          let space = try VmSpace()
          for (index, access) in Self.accesses.enumerated() {
            try mapFrame(
              at: Self.place + UInt64(index) << 12, in: space,
              as: PageProperty(access, isUser: true).with(software: 2))
          }
          space.activate()
          var lostCount: UInt64 = 0
          var changedCount: UInt64 = 0
          for access in Self.accesses {
            let new = expected(access, removing: removed, adding: added)
            if new != access { changedCount += 1 }
            if !access.isSubset(of: new) { lostCount += 1 }
          }
          let flushed = try flushes {
            let change = PageChange(
              removing: removed, adding: added, allowingWriteExecute: true)
            let changed = try space.change(bytes(Self.place, 16 << 12), by: change)
            #expect(changed == changedCount << 12)
          }
          // Pages that are not contiguous may be flushed all at once.
          #expect(flushed == [lostCount, 0] || lostCount > 2 && flushed == [0, 1])
          for (index, access) in Self.accesses.enumerated() {
            let found = try property(space, UInt64(index))
            #expect(found?.access == expected(access, removing: removed, adding: added))
            #expect(found?.software == 2)
          }
          #expect(space.problems(allowsWriteExecute: true) == [])
          VmSpace.deactivate()
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `software bits are set and cleared without a flush`() throws {
      let space = try VmSpace()
      for page in 0..<4 as Range<UInt64> {
        try mapFrame(
          at: Self.place + page << 12, in: space, as: .userReadWrite.with(software: UInt8(page)))
      }
      space.activate()
      let flushed = try flushes {
        var cursor = try space.cursor(over: bytes(Self.place, 4 << 12))
        let change = PageChange(clearingSoftware: 2, settingSoftware: 1)
        let changed = try cursor.change(4 << 12, by: change)
        #expect(changed == 3 << 12, "one has them already")
        let end = cursor.address
        #expect(end == VirtualAddress(Self.place + 4 << 12))
      }
      #expect(flushed == [0, 0])
      for page in 0..<4 as Range<UInt64> {
        #expect(try property(space, page) == .userReadWrite.with(software: 1))
      }
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test(arguments: [1, 2, 32, 33])
    func `a page whose cache policy changes is flushed, and keeps the rest`(count: UInt64) throws {
      let space = try VmSpace()
      let start = Self.place + 500 << 12
      try mapSegment(Int(count), at: start, in: space, as: .userRead.with(software: 3))
      try mapFrame(at: start + count << 12, in: space)
      space.activate()
      for policy in [CachePolicy.uncacheable, .writeCombining, .writeThrough, .writeBack] {
        let flushed = try flushes {
          let change = PageChange(cachePolicy: policy)
          let changed = try space.change(bytes(start, count << 12), by: change)
          #expect(changed == count << 12)
        }
        #expect(flushed == (count <= 32 ? [count, 0] : [0, 1]))
        let found = try #require(space.translate(VirtualAddress(start))?.property)
        #expect(found == .userRead.with(software: 3).with(cachePolicy: policy))
        let again = try flushes {
          let change = PageChange(cachePolicy: policy)
          let changed = try space.change(bytes(start, count << 12), by: change)
          #expect(changed == 0)
        }
        #expect(again == [0, 0])
      }
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `a page without access keeps what it has, and gets what is not a right`() throws {
      let space = try VmSpace()
      let memory = try mapFrame(
        at: Self.place, in: space, as: PageProperty(.none, isUser: true).with(software: 1))
      let range = bytes(Self.place, 4096)
      #expect(try space.change(range, by: PageChange(removing: .execute, adding: .write)) == 0)
      let change = PageChange(settingSoftware: 2, cachePolicy: .writeThrough)
      #expect(try space.change(range, by: change) == 4096)
      #expect(space.problems == [])
      #expect(try space.change(range, by: PageChange(adding: .read)) == 4096)
      let found = space.translate(VirtualAddress(Self.place))
      #expect(found?.address == memory)
      #expect(
        found?.property == .userRead.with(software: 3).with(cachePolicy: .writeThrough))
    }

    @Test(arguments: [PageSize.twoMiB, .oneGiB])
    func `a part of a large page is split off, and the whole is not split`(size: PageSize) throws {
      let space = try VmSpace()
      try mapDevice(at: size.byteCount, 0x40_0000_0000, size.byteCount, in: space)
      space.activate()
      let whole = try flushes {
        let change = PageChange(removing: .write, settingSoftware: 1)
        let changed = try space.change(bytes(size.byteCount, size.byteCount), by: change)
        #expect(changed == size.byteCount)
      }
      #expect(whole == [1, 0])
      let part = try flushes {
        let change = PageChange(adding: .read, settingSoftware: 2, cachePolicy: .uncacheable)
        let changed = try space.change(bytes(size.byteCount + 8192, 4096), by: change)
        #expect(changed == 4096)
      }
      #expect(part[0] + part[1] > 0)
      let readOnly = PageProperty.userRead.with(software: 1)
      #expect(space.translate(VirtualAddress(size.byteCount))?.property == readOnly)
      #expect(
        space.translate(VirtualAddress(size.byteCount + 8192))?.property
          == readOnly.with(software: 3).with(cachePolicy: .uncacheable))
      #expect(space.translate(VirtualAddress(2 * size.byteCount - 1))?.property == readOnly)
      #expect(space.problems == [])
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `the right to write that a fork withholds counts as one that the page has`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      try mapSegment(3, at: Self.place, in: parent)
      do {
        var source = try parent.cursor(over: bytes(Self.place, 3 << 12))
        var target = try child.cursor(over: bytes(Self.place, 3 << 12))
        try target.copy(from: &source, 3 << 12)
      }
      func change(_ page: UInt64, _ change: PageChange) throws -> UInt64 {
        try parent.change(bytes(Self.place + page << 12, 4096), by: change)
      }
      #expect(try change(0, PageChange(removing: .execute, settingSoftware: 1)) == 4096)
      #expect(try property(parent, 0)?.isCopyOnWrite == true)
      #expect(try change(1, PageChange(removing: .write)) == 4096)
      #expect(try property(parent, 1)?.isCopyOnWrite == false)
      #expect(try change(2, PageChange(removing: .execute, adding: .write)) == 0)
      #expect(try property(parent, 2)?.isCopyOnWrite == true)
      do {
        var cursor = try child.cursor(over: bytes(Self.place, 3 << 12))
        try cursor.unmap(3 << 12)
      }
      for page in 0..<3 as Range<UInt64> {
        #expect(try change(page, PageChange(removing: .execute, adding: .write)) == 4096)
        #expect(try property(parent, page)?.access == .readWrite)
        #expect(try property(parent, page)?.isCopyOnWrite == false)
      }
      #expect(parent.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `absent pages and statuses stay, and ranges are checked`() throws {
      let space = try VmSpace()
      try mark(Self.place, 1 << 21, as: 7, in: space)
      try mapFrame(at: Self.place + 5 << 12, in: space)
      let change = PageChange(removing: .write)
      #expect(try space.change(bytes(0, 1 << 40), by: change) == 4096)
      #expect(try space.change(bytes(0, 1 << 40), by: change) == 0)
      #expect(throws: TesseraError.empty) { try space.change(bytes(4096, 0), by: change) }
      #expect(throws: TesseraError.notAligned) { try space.change(bytes(4096, 1), by: change) }
      #expect(throws: TesseraError.outOfBounds) {
        try space.change(bytes(VmSpace.end.rawValue, 4096), by: change)
      }
      let cursor = try space.cursor(over: bytes(Self.place, 4096))
      #expect(try cursor.query().content == .status(7))
    }

    @Test func `a large page that cannot be split is left as it was`() throws {
      let space = try VmSpace()
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 1 << 30, in: space)
      NodePool.drain()
      let before = space.rootNode.hash()
      machine.failAllocation(2)
      #expect(throws: TesseraError.outOfFrames) {
        try space.change(bytes(1 << 30 + 4096, 4096), by: PageChange(removing: .write))
      }
      machine.failAllocation(0)
      #expect(space.rootNode.hash() == before)
    }

    @Test func `a change that may make a page writable and executable traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = PageChange(adding: .write)
      }
      try expectPanic(
        in: result, "change may make a page writable and executable without saying so")
    }
  }
}
