import Foundation
import Scenarios
import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Random sequences of all that changes where pages are, compared with a model that knows what
  /// each page of each space and of each object contains.
  @Suite("Random walks through the pager") struct RandomPagerOperationsTests {
    private static let operationCount =
      ProcessInfo.processInfo.environment["TESSERA_RANDOM_OPERATIONS"].flatMap { Int($0) } ?? 4000

    @Test(.seeded(20_261_130), arguments: [false, true])
    func `programs read what was written, and stores have it, whatever happens in between`(
      isSlow: Bool
    ) throws {
      var tally = PagerWalkTally()
      var left = Self.operationCount
      var episode: UInt64 = 0
      while left > 0 {
        let machine = SimulatedMachine(frameCount: 400)
        try machine.startKernelSpace()
        _ = machine.mmu
        let count = min(left, 2000)
        let seed = episode &* 1_000_003 &+ (isSlow ? 1 << 40 : 0)
        let used = try walk(count, on: machine, seed: seed, isSlow: isSlow, &tally)
        guard let used else { return }
        Pager.stop()
        NodePool.drain()
        Heap.trim()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
        #expect(machine.violations == [])
        left -= count
        episode += 1
      }
      tally.report(isSlow)
    }

    /// Walks `count` steps. Returns the number of frames that were in use before; nil if there was
    /// a difference.
    private func walk(
      _ count: Int, on machine: SimulatedMachine, seed: UInt64, isSlow: Bool,
      _ tally: inout PagerWalkTally
    ) throws -> UInt64? {
      let walk = try PagerWalk(
        on: machine, drawing: SplitMix(seed: Seed.current &+ seed), isSlow: isSlow)
      try walk.run(count)
      try walk.finish()
      tally.add(walk.tally)
      #expect(Pager.swapUsage.used == walk.memorySlotCount)
      return walk.hasFailed ? nil : walk.usedBefore
    }
  }
}
