import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// What is in the store of an object once that was said to be complete, and what is read again.
  @Suite("What a store has") struct SynchronizingTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 500)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

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

    /// The machine stops at once: what the store has by then is what a later kernel reads. Nothing
    /// that is written afterwards counts.
    @Test(arguments: [false, true])
    func `what was synchronized is there after a crash`(isSlow: Bool) throws {
      try withFile(50) { space, program, object, file in
        file.isSlow = isSlow
        file.reorders = isSlow
        file.copiesLate = isSlow
        for page in 0..<50 as Range<UInt64> where page % 3 > 0 {
          try program.write(page + 100, at: address(page), in: space)
        }
        file.failNext(reads: 0, writes: 3)
        var failed = 0
        while true {
          let result = object.synchronize()
          failed += result.failed
          if result.isComplete { break }
          file.finishAll()
        }
        #expect(failed == (isSlow ? 0 : 3), "a slow store says so later")
        #expect(Pager.statistics.storeFailures == 3)
        let crash = file.pages
        try program.write(999, at: address(1), in: space)
        for page in 0..<50 as Range<UInt64> {
          let expected = page % 3 > 0 ? page + 100 : page + 1
          #expect(crash[page * 4096]?.first == expected, "page \(page)")
        }
        #expect(crash.count == 50)
      }
    }

    @Test func `what a space wrote reaches the store after the space is gone`() throws {
      try withFile(10) { _, program, object, file in
        do {
          let other = try VmSpace()
          try other.startPaging()
          try other.map(object, at: bytes(Self.place, 10 * 4096), as: Self.shared)
          try program.write(70, at: address(7), in: other)
          VmSpace.deactivate()
        }
        #expect(object.synchronize() == SynchronizeResult(written: 1))
        #expect(file.word(7) == 70)
      }
    }

    @Test func `what was written before a page lost its rights reaches the store`() throws {
      try withFile(4) { space, program, object, file in
        try program.write(70, at: address(2), in: space)
        try space.protect(1, at: address(2), to: .none)
        try program.expect(nil, at: address(2), in: space)
        #expect(object.synchronize() == SynchronizeResult(written: 1))
        #expect(file.word(2) == 70)
      }
    }

    @Test func `a page from swap is not put where something else is meanwhile`() throws {
      let (swap, file) = (TestStore(), TestStore())
      file.setPage(0, to: 9)
      try machine.withPager(swap) { _, program in
        let place = ReplacedPage(
          try VmSpace(), try MemoryObject(byteCount: 4096, store: file.pageStore))
        try place.space.startPaging()
        try place.space.reserve(1, at: address(0))
        try program.write(44, at: address(0), in: place.space)
        #expect(Pager.reclaim(1).freed == 1)
        swap.duringRead = { [range = bytes(Self.place, 4096)] in
          do {
            try place.space.unmap(1, at: range.lowerBound.rawValue)
            try place.space.map(place.object, at: range, as: .userReadWrite)
          } catch { Issue.record(error) }
        }
        try program.expect(9, at: address(0), in: place.space)
        #expect(swap.duringRead == nil)
        #expect(Pager.swapUsage.used == 0)
        VmSpace.deactivate()
      }
    }

    @Test func `a page without rights is gone when its object becomes shorter`() throws {
      try withFile(4) { space, program, object, file in
        try program.write(70, at: address(2), in: space)
        try space.protect(1, at: address(2), to: .none)
        try object.resize(to: 4096)
        try space.protect(1, at: address(2), to: .readWrite)
        try program.expect(nil, at: address(2), in: space)
      }
    }

    @Test func `anonymous pages without rights are taken away, and come back`() throws {
      try machine.withPager { space, program in
        try space.reserve(4, at: address(0))
        for page in 0..<4 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        let child = try space.fork()
        try program.write(50, at: address(0), in: space)
        try space.protect(4, at: address(0), to: .none)
        VmSpace.deactivate()
        #expect(Pager.reclaim(10).freed == 5)
        try program.expect(nil, at: address(0), in: space)
        try space.protect(4, at: address(0), to: .readWrite)
        try program.write(60, at: address(1), in: space)
        for (page, value) in [50, 60, 3, 4].enumerated() {
          try program.expect(UInt64(value), at: address(UInt64(page)), in: space)
          try program.expect(UInt64(page) + 1, at: address(UInt64(page)), in: child)
        }
        VmSpace.deactivate()
      }
    }

    @Test func `a truncated page is taken out of all spaces that map it`() throws {
      try withFile(6) { space, program, object, file in
        let other = try VmSpace()
        try other.startPaging()
        try other.map(object, from: 2, at: bytes(Self.place, 4 * 4096), as: .userReadWrite)
        for page in 0..<4 as Range<UInt64> {
          try program.expect(page + 3, at: address(page), in: other)
          try program.expect(page + 1, at: address(page), in: space)
        }
        try program.write(77, at: address(3), in: other)
        let frames = Pager.usage().objects.resident
        #expect(frames == 6)
        try object.resize(to: 3 * 4096)
        #expect(Pager.usage().objects.resident == 3)
        try program.expect(nil, at: address(1), in: other)
        try program.expect(77, at: address(3), in: other)
        try program.expect(3, at: address(0), in: other)
        try program.expect(nil, at: address(3), in: space)
        VmSpace.deactivate()
      }
    }

    @Test(arguments: [false, true])
    func `the rest of the last page stays zeros after it was taken away`(isSlow: Bool) throws {
      try withFile(6) { space, program, object, file in
        file.isSlow = isSlow
        // The page is not in memory.
        if isSlow {
          #expect(throws: TesseraError.pageBusy) { try object.resize(to: 3 * 4096 + 8) }
          file.finishAll()
        }
        try object.resize(to: 3 * 4096 + 8)
        try object.resize(to: 6 * 4096)
        try program.expect(4, at: address(3), in: space)
        try program.expect(0, at: address(3) + 8, in: space)
        VmSpace.deactivate()
        for _ in 0..<3 {
          Pager.reclaim(100)
          file.finishAll()
        }
        #expect(space.page(at: address(3)) == nil)
        try program.expect(4, at: address(3), in: space)
        try program.expect(0, at: address(3) + 8, in: space)
      }
    }

    @Test func `pages in swap that come back are written again once they are dirty`() throws {
      let swap = TestStore()
      try machine.withPager(swap) { space, program in
        try space.reserve(10, at: address(0))
        for round in 1...4 as ClosedRange<UInt64> {
          for page in 0..<10 as Range<UInt64> {
            let old: UInt64 = round == 1 ? 0 : (round - 1) * 100 + page
            try program.expect(old, at: address(page), in: space)
            try program.write(round * 100 + page, at: address(page), in: space)
          }
          VmSpace.deactivate()
          #expect(Pager.reclaim(10).freed == 10)
          #expect(UInt64(swap.writeCount) == round * 10)
          #expect(Pager.swapUsage.used == 10)
        }
      }
    }

    @Test func `pages that parent and child share in swap are written once`() throws {
      let swap = TestStore()
      try machine.withPager(swap) { space, program in
        try space.reserve(10, at: address(0))
        for page in 0..<10 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        let child = try space.fork()
        VmSpace.deactivate()
        #expect(Pager.reclaim(10).freed == 10)
        #expect(swap.writeCount == 10 && Pager.swapUsage.used == 10)
        for page in 0..<10 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: child)
        }
        #expect(swap.readCount == 10 && Pager.swapUsage.used == 10)
        for page in 0..<10 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
        #expect(swap.readCount == 10, "the frame is found through the slot")
        #expect(Pager.swapUsage.used == 0)
        VmSpace.deactivate()
      }
    }
  }
}

/// A space, and an object that it maps later, that a closure can have.
private final class ReplacedPage {
  let space: VmSpace
  let object: MemoryObject

  init(_ space: consuming VmSpace, _ object: consuming MemoryObject) {
    self.space = space
    self.object = object
  }
}
