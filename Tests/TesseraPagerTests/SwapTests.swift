import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  /// More anonymous memory than there is.
  @Suite("Swap") struct SwapTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 600)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func reserve(_ pageCount: UInt64, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(Self.place, pageCount * 4096))
      try cursor.setDemandZero(pageCount * 4096, as: .userReadWrite)
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    @Test(arguments: [false, true])
    func `a program writes and reads three times as many pages as there are frames`(
      isSlow: Bool
    ) throws {
      let store = TestStore()
      store.isSlow = isSlow
      store.reorders = isSlow
      try machine.withPager(store) { space, program in
        let count: UInt64 = 1800
        try reserve(count, in: space)
        for page in 0..<count { try program.write(page * 3 + 1, at: address(page), in: space) }
        #expect(Pager.statistics.evictions >= count - 600)
        #expect(UInt64(store.writeCount) >= count - 600)
        for page in 0..<count {
          #expect(try program.read(at: address(page), in: space) == page * 3 + 1)
        }
        #expect(UInt64(store.readCount) >= count - 600)
        #expect(Pager.statistics.storeFailures == 0)
      }
    }

    @Test func `a space without the pager runs out of frames`() throws {
      try machine.withPager { _, program in
        let other = try VmSpace()
        try reserve(1800, in: other)
        var answers: [FaultResolution] = []
        for page in 0..<1800 as Range<UInt64> where answers.last != .outOfFrames {
          answers += try program.write(1, at: address(page), in: other)
        }
        #expect(answers.last == .outOfFrames)
        VmSpace.deactivate()
      }
    }

    @Test func `without a free slot there is no memory but what there is`() throws {
      try machine.withPager(slotCount: 10) { space, program in
        try reserve(1800, in: space)
        var answers: [FaultResolution] = []
        var last: UInt64 = 0
        for page in 0..<1800 as Range<UInt64> where answers.last != .outOfFrames {
          answers += try program.write(page + 7, at: address(page), in: space)
          last = page
        }
        #expect(answers.last == .outOfFrames && Pager.swapUsage.used == 10)
        // Nothing is lost: reading needs a frame only for what is in swap.
        var right = 0
        for page in 0..<last {
          if try program.read(at: address(page), in: space) == page + 7 { right += 1 }
        }
        #expect(right >= Int(last) - 10)
      }
    }

    @Test func `parent and child of a fork read what was swapped before and after it`() throws {
      try machine.withPager { space, program in
        try reserve(400, in: space)
        for page in 0..<400 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        Pager.reclaim(200)
        let child = try space.fork()
        Pager.reclaim(150)
        for page in 0..<400 as Range<UInt64> where page % 3 == 0 {
          try program.write(page + 1000, at: address(page), in: child)
        }
        Pager.reclaim(150)
        for page in 0..<400 as Range<UInt64> {
          #expect(try program.read(at: address(page), in: space) == page + 1)
          let expected = page % 3 == 0 ? page + 1000 : page + 1
          #expect(try program.read(at: address(page), in: child) == expected)
        }
        VmSpace.deactivate()
      }
    }

    @Test func `what the store could not write stays, and what it could not read is said`() throws {
      let store = TestStore()
      try machine.withPager(store) { space, program in
        try reserve(100, in: space)
        for page in 0..<100 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        store.remainingWrites = 0
        #expect(Pager.reclaim(50).freed == 0)
        for page in 0..<100 as Range<UInt64> {
          #expect(try program.read(at: address(page), in: space) == page + 1)
        }
        store.remainingWrites = .max
        #expect(Pager.reclaim(100).freed == 100)
        store.remainingReads = 0
        #expect(try program.write(5, at: address(0), in: space) == [.failed])
        store.remainingReads = .max
        #expect(try program.read(at: address(0), in: space) == 1)
      }
    }
  }
}
