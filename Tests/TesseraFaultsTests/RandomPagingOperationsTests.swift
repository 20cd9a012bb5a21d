import Foundation
import Scenarios
import SimulatedMachine
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `TESSERA_SEED` and `TESSERA_STEPS` in the environment select other walks, and
  /// `TESSERA_RANDOM_OPERATIONS` longer ones.
  @Suite("Random walk through paging") struct RandomPagingOperationsTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// More in optimized builds, which are faster. All walks together have half as many again: of
    /// `TESSERA_RANDOM_OPERATIONS` a half, since each operation has more to compare.
    private static var operationCount: Int {
      if let chosen = environment["TESSERA_STEPS"].flatMap({ Int($0) }) { return chosen }
      let usual = isOptimized ? 200_000 : 4_000
      let scaled = environment["TESSERA_RANDOM_OPERATIONS"].flatMap { Int($0) }.map { $0 / 3 }
      return Seed.rounds(max(usual, scaled ?? 0), ofRange: 1_000)
    }

    private static func walk(
      _ seed: UInt64, _ operationCount: Int, _ kind: PagingOperationsMachine.Kind = .init()
    ) throws -> RandomPagingOutcome {
      var kind = kind
      if Seed.isSpoiled { kind.isSpoiled = true }
      let start = ContinuousClock.now
      let outcome = try PagingOperationsMachine.walk(
        seed: seed, operationCount: operationCount, kind)
      if let problem = outcome.problem {
        Issue.record(
          """
          \(problem), space \(outcome.space) at \(String(outcome.address, radix: 16)), operation \
          \(outcome.episodeOperationCount) of the episode with seed \(outcome.episodeSeed)
          \(log(outcome))
          """)
      }
      if !Seed.isRange { print(describe(outcome, ContinuousClock.now - start)) }
      return outcome
    }

    @Test(.seeded(20_261_130)) func `pages have what was written last, after any faults`() throws {
      let outcome = try Self.walk(Seed.current, Self.operationCount)
      if Seed.isRange || outcome.operationCount < 4_000 { return }
      for number in 0..<PagingOperation.count {
        #expect(outcome.counts[number] > outcome.operationCount / 2000)
      }
      // Every answer was given, but that nothing was needed.
      for number in 1..<outcome.answers.count {
        #expect(outcome.answers[number] > outcome.operationCount / 2000)
      }
      #expect(outcome.largePageCount > outcome.operationCount / 4000)
    }

    @Test(.seeded(20_261_130)) func `so they do if processors fault by old translations`() throws {
      let kind = PagingOperationsMachine.Kind(deliversSpuriousFaults: true)
      let outcome = try Self.walk(Seed.current ^ 1 << 40, Self.operationCount / 4, kind)
      if !Seed.isRange { #expect(outcome.answers[0] > 0) }
    }

    @Test(.seeded(20_261_130)) func `so they do on another processor`() throws {
      let kind = PagingOperationsMachine.Kind(processor: 5)
      _ = try Self.walk(Seed.current ^ 2 << 40, Self.operationCount / 8, kind)
    }

    @Test(.seeded(20_261_130)) func `so they do with an external allocator`() throws {
      let kind = PagingOperationsMachine.Kind(hasPool: true)
      _ = try Self.walk(Seed.current ^ 3 << 40, Self.operationCount / 8, kind)
    }

    @Test(.seeded(20_261_130)) func `a walk detects a word that changes by itself`() throws {
      let kind = PagingOperationsMachine.Kind(isSpoiled: true)
      let outcome = try PagingOperationsMachine.walk(
        seed: Seed.current, operationCount: 2_000, kind)
      let problem = try #require(outcome.problem)
      #expect("\(problem)" == "a page contains what was written last")
    }

    private static func describe(_ outcome: RandomPagingOutcome, _ time: Duration) -> String {
      let counts = (0..<PagingOperation.count).map { number in
        "\(PagingOperation(rawValue: number).map { "\($0)" } ?? "") \(outcome.counts[number])"
      }
      let names = ["spurious", "zeros", "zeroed", "copy", "takeover", "denied", "needs", "out"]
      let answers = names.indices.map { "\(names[$0]) \(outcome.answers[$0])" }
      let rate = Double(outcome.operationCount) / (time / .seconds(1))
      return """
        tally: \(outcome.operationCount) operations on pages, \(Int(rate)) a second; \
        \(outcome.failureCount) failed for lack of memory, \(outcome.errorCount) for other reasons
        \(counts.joined(separator: ", "))
        answers: \(answers.joined(separator: ", ")); \(outcome.largePageCount) large pages
        """
    }

    /// The last operations, oldest first.
    private static func log(_ outcome: RandomPagingOutcome) -> String {
      let entries = (0..<outcome.log.count).compactMap { outcome.log[$0] }.sorted {
        $0.step < $1.step
      }
      return entries.map { entry in
        """
        \(entry.step) \(entry.operation), space \(entry.space), pages \(entry.firstPage) to \
        \(entry.firstPage + entry.pageCount), \(String(entry.value, radix: 16))
        """
      }.joined(separator: "\n")
    }
  }
}
