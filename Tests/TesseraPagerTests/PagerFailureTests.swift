import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Each allocation of what the pager does fails once: nothing is lost, nothing has changed, and
  /// the same is possible afterwards.
  @Suite("Frames that the pager does not get") struct PagerFailureTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 800)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    /// Has `body` fail at its first allocation, then at its second, and so on, until it needs no
    /// more. `body` returns whether it has succeeded, and `check` is called after each failure.
    /// Returns the number of failures.
    private func failing(
      _ body: () throws(TesseraError) -> Bool, check: () throws -> Void = {}
    ) throws -> Int {
      for ordinal in 1...40 {
        // What an allocation before has left in caches would be used.
        Heap.trim()
        NodePool.drain()
        machine.failAllocation(ordinal)
        var isDone = false
        do throws(TesseraError) { isDone = try body() } catch {
          #expect(error == .outOfFrames)
        }
        let hasFailed = machine.hasFailedAllocation
        machine.failAllocation(0)
        if isDone { return ordinal - 1 }
        #expect(hasFailed, "it failed though no allocation did")
        try check()
      }
      Issue.record("it fails for ever")
      return 0
    }

    /// Of many spaces, for some a record needs another frame.
    @Test func `a space is paged after any allocation for that has failed`() throws {
      try machine.withPager { _, program in
        var spaces: [SpaceBox] = []
        var count = 0
        for _ in 0..<100 {
          let box = SpaceBox(try VmSpace())
          count += try failing {
            () throws(TesseraError) in
            try box.space.startPaging()
            return true
          } check: {
            #expect(box.space.pagerNumber == 0)
          }
          #expect(box.space.pagerNumber == UInt64(spaces.count) + 2)
          spaces.append(box)
        }
        #expect(count >= 2)
        let last = try #require(spaces.last)
        try last.space.reserve(4, at: address(0))
        try program.write(5, at: address(0), in: last.space)
        #expect(Pager.reclaim(1).freed == 1)
        try program.expect(5, at: address(0), in: last.space)
        VmSpace.deactivate()
      }
    }

    @Test func `a fork that fails leaves the space, and what is in swap, as it was`() throws {
      try machine.withPager { space, program in
        try space.reserve(20, at: address(0))
        for page in 0..<20 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        #expect(Pager.reclaim(10).freed == 10)
        var child: VmSpace?
        let count = try failing {
          () throws(TesseraError) in
          child = try space.fork()
          return true
        } check: {
          #expect(Pager.swapUsage.used == 10)
        }
        #expect(count >= 4)
        guard let forked = child.take() else { return }
        for page in 0..<20 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
          try program.expect(page + 1, at: address(page), in: forked)
        }
        let isPaged = forked.isPaged
        #expect(isPaged)
        VmSpace.deactivate()
        _ = consume forked
        #expect(Pager.swapUsage.used == 0)
      }
    }

    @Test func `an object is made after any allocation for that has failed`() throws {
      try machine.withPager { space, program in
        let count = try failing { () throws(TesseraError) in
          let object = try MemoryObject(byteCount: 700 * 4096)
          let base = object.record.value.base
          #expect(base == VmSpace.start, "another object has the first addresses")
          return object.number == 1
        }
        #expect(count >= 3)
      }
    }

    @Test func `an object is mapped after any allocation for that has failed`() throws {
      let file = TestStore()
      file.setPage(3, to: 33)
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 8 * 4096, store: file.pageStore)
        let range = bytes(Self.place, 8 * 4096)
        let count = try failing {
          () throws(TesseraError) in
          try space.map(object, at: range, as: Self.shared)
          return true
        } check: {
          try program.expect(nil, at: address(3), in: space)
          #expect(try attachmentCount(of: space) == 0)
          VmSpace.deactivate()
        }
        #expect(count >= 2)
        try program.expect(33, at: address(3), in: space)
        #expect(throws: TesseraError.alreadyMapped(range.lowerBound)) {
          try space.map(object, at: range, as: Self.shared)
        }
        #expect(try attachmentCount(of: space) == 1)
      }
    }

    private func attachmentCount(of space: borrowing VmSpace) throws -> Int {
      let number = UInt32(truncatingIfNeeded: space.pagerNumber)
      let family = try #require(SpaceFamilies.acquire(number))
      defer { SpaceFamilies.release(family) }
      var count = 0
      var next = family.value.attachments
      while let attachment = next {
        count += 1
        next = attachment.value.nextOfFamily
      }
      return count
    }

    /// The marks are 0, so that nothing is taken away beforehand, and no page could be taken away
    /// but the one that is brought.
    @Test(arguments: [false, true])
    func `a page comes from swap after any allocation for that has failed`(
      isWrite: Bool
    ) throws {
      try machine.withPager { space, program in
        Pager.setMarks(low: 0, high: 0)
        try space.reserve(1, at: address(0))
        try program.write(44, at: address(0), in: space)
        #expect(Pager.reclaim(1).freed == 1)
        let place = VirtualAddress(address(0))
        VmSpace.deactivate()
        let count = try failing {
          () throws(TesseraError) in
          let answer = space.resolve(isWrite ? .write : .read, at: place)
          if answer == .outOfFrames { throw .outOfFrames }
          return answer.isResolved
        } check: {
          #expect(Pager.swapUsage.used == 1)
          #expect(space.page(at: address(0)) == nil)
        }
        #expect(count >= 1)
        #expect(Pager.swapUsage.used == 0, "only the space has the page")
        try program.expect(44, at: address(0), in: space)
      }
    }

    @Test(arguments: [false, true])
    func `a page comes from an object after any allocation for that has failed`(
      isShared: Bool
    ) throws {
      let file = TestStore()
      for page in 0..<4 as Range<UInt64> { file.setPage(page, to: page + 30) }
      try machine.withPager { space, program in
        Pager.setMarks(low: 0, high: 0)
        let object = try MemoryObject(byteCount: 4 * 4096, store: file.pageStore)
        let range = bytes(Self.place, 4 * 4096)
        try space.map(object, at: range, as: isShared ? Self.shared : .userReadWrite)
        let place = VirtualAddress(address(2))
        let count = try failing {
          () throws(TesseraError) in
          let answer = space.resolve(.write, at: place)
          if answer == .outOfFrames { throw .outOfFrames }
          return answer.isResolved
        } check: {
          #expect(space.page(at: address(2))?.owner.isObject != false)
        }
        // If there is no frame for a copy, the page of the object is taken away again.
        #expect(count >= 1 && file.readCount == (isShared ? 1 : 2))
        try program.write(99, at: address(2) + 8, in: space)
        try program.expect(32, at: address(2), in: space)
        #expect(object.synchronize().written == (isShared ? 1 : 0))
        #expect(file.word(2) == 32 && file.word(3) == 33)
      }
    }
  }
}

/// A space that an array can have.
private final class SpaceBox {
  let space: VmSpace

  init(_ space: consuming VmSpace) { self.space = space }
}
