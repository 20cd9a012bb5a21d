import Foundation
import Scenarios
import SimulatedMachine
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Random sequences of all that changes where pages are, compared with a model that knows what
  /// each page of each space and of each object contains.
  ///
  /// `TESSERA_SEED` and `TESSERA_STEPS` in the environment select other walks, and
  /// `TESSERA_RANDOM_OPERATIONS` longer ones.
  @Suite("Random walks through the pager") struct RandomPagerOperationsTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// Of `TESSERA_RANDOM_OPERATIONS` an eighth with either store, since each operation takes pages
    /// away, or brings some.
    private static var operationCount: Int {
      if let chosen = environment["TESSERA_STEPS"].flatMap({ Int($0) }) { return chosen }
      let usual = isOptimized ? 100_000 : 4_000
      let scaled = environment["TESSERA_RANDOM_OPERATIONS"].flatMap { Int($0) }.map { $0 / 8 }
      return Seed.rounds(max(usual, scaled ?? 0), ofRange: 1_000)
    }

    @Test(.seeded(20_261_121), arguments: [false, true])
    func `programs read what was written, and stores have it, whatever happens in between`(
      isSlow: Bool
    ) throws {
      let start = ContinuousClock.now
      let outcome = try PagerOperationsMachine.walk(
        seed: Seed.current ^ (isSlow ? 1 << 40 : 0), operationCount: Self.operationCount,
        isSlow: isSlow, Seed.isSpoiled ? .changesWord : nil)
      if let problem = outcome.problem { Issue.record("\(problem), \(Self.place(outcome))") }
      if Seed.isRange { return }
      print(Self.describe(outcome, isSlow, ContinuousClock.now - start))
      guard outcome.operationCount >= 4_000, outcome.problem == nil else { return }
      for number in 0..<PagerOperation.count {
        #expect(outcome.counts[number] > outcome.operationCount / 2000, "\(number)")
      }
      #expect((outcome.waitCount > 0) == isSlow && (outcome.laterCount > 0) == isSlow)
      #expect(outcome.faultCount > outcome.operationCount / 10)
      #expect(outcome.freedCount > outcome.operationCount / 10)
      #expect(outcome.failedCount > outcome.operationCount / 2000)
      #expect(outcome.failureCount > outcome.operationCount / 2000)
      #expect(outcome.survivorCount > 0)
    }

    @Test(
      .seeded(20_261_121),
      arguments: [
        (RandomPagerOptions.Sabotage.changesWord, "a page contains what was written last"),
        (.losesWrite, " reads what was written last"),
        (.leavesRest, "the store has what was written last"),
      ])
    func `a walk detects a mistake`(
      _ sabotage: RandomPagerOptions.Sabotage, _ expected: String
    ) throws {
      let outcome = try PagerOperationsMachine.walk(
        seed: Seed.current, operationCount: 2_000, isSlow: false, sabotage)
      let problem = try #require(outcome.problem)
      // A program or the kernel.
      #expect("\(problem)".hasSuffix(expected))
    }

    private static func place(_ outcome: RandomPagerOutcome) -> String {
      let entries = (0..<outcome.log.count).compactMap { outcome.log[$0] }.sorted {
        $0.step < $1.step
      }
      let log = entries.map { entry in
        """
        \(entry.step) \(entry.operation), space \(entry.space), pages \(entry.firstPage) to \
        \(entry.firstPage + entry.pageCount), \(String(entry.value, radix: 16))
        """
      }
      return """
        space \(outcome.space) at \(String(outcome.address, radix: 16)), operation \
        \(outcome.episodeOperationCount) of the episode with seed \(outcome.episodeSeed)
        \(log.joined(separator: "\n"))
        """
    }

    private static func describe(
      _ outcome: RandomPagerOutcome, _ isSlow: Bool, _ time: Duration
    ) -> String {
      let counts = (0..<PagerOperation.count).map { number in
        "\(PagerOperation(rawValue: number).map { "\($0)" } ?? "") \(outcome.counts[number])"
      }
      let rate = Double(outcome.operationCount) / (time / .seconds(1))
      return """
        tally: \(isSlow ? "slow stores" : "fast stores"): \(outcome.operationCount) operations, \
        \(Int(rate)) a second; \(outcome.faultCount) faults, \(outcome.waitCount) waits, \
        \(outcome.readCount) reads, \(outcome.writeCount) writes, \(outcome.failedCount) answered \
        failed, \(outcome.failureCount) without memory on purpose and \
        \(outcome.outOfFramesCount) without, \(outcome.freedCount) pages taken away
        \(counts.joined(separator: ", "))
        """
    }
  }
}
