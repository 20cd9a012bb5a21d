import CTessera
import Foundation
import Scenarios
import SimulatedMachine
import Tessera
import Testing

extension OnSimulatedMachine {
  /// `TESSERA_SEED` and `TESSERA_STEPS` in the environment choose another walk.
  @Suite("Random walk through spaces") struct SpaceRandomWalkTests {
    private static let environment = ProcessInfo.processInfo.environment

    private static let seed = environment["TESSERA_SEED"].flatMap { UInt64($0) } ?? 20_261_121

    /// Optimised, there is time for more.
    private static var operationCount: Int {
      if let chosen = environment["TESSERA_STEPS"].flatMap({ Int($0) }) { return chosen }
      return isOptimized ? 400_000 : 8_000
    }

    /// Walks, and says how to take the same walk again if something differs: with a trace that has
    /// nothing in it that is not needed for the difference.
    private func walk(_ options: SpaceWalkOptions, watched: Bool) throws -> SpaceWalkOutcome {
      let outcome = try WalkMachine.walk(options, watched: watched)
      if let problem = outcome.problem {
        let trace = try WalkTrace(of: outcome, options, watched: watched)
        Issue.record(
          """
          \(problem) at \(String(outcome.address, radix: 16)), operation \(outcome.operationCount)
          TESSERA_SEED=\(options.seed) TESSERA_STEPS=\(outcome.operationCount) swift test \
          --filter SpaceRandomWalk
          \(trace.description)
          """)
      }
      return outcome
    }

    @Test func `spaces show what the model says, whatever is done with them`() throws {
      let options = SpaceWalkOptions(seed: Self.seed, operationCount: Self.operationCount)
      let start = ContinuousClock.now
      let outcome = try walk(options, watched: false)
      print(describe(outcome, ContinuousClock.now - start))
      // Most of what a walk can do, it did.
      for number in 0..<SpaceOperation.count {
        #expect(outcome.counts[number] > outcome.operationCount / 2000)
      }
      #expect(outcome.refusalCount > outcome.operationCount / 1000)
    }

    @Test func `no processor can use what is gone, whatever is done with spaces`() throws {
      let options = SpaceWalkOptions(seed: Self.seed ^ 1, operationCount: Self.operationCount / 4)
      let start = ContinuousClock.now
      let outcome = try walk(options, watched: true)
      print(describe(outcome, ContinuousClock.now - start))
    }

    @Test(arguments: 0..<SpaceWalkSabotage.count)
    func `a walk notices what is done wrong on purpose`(number: Int) throws {
      let sabotage = try #require(SpaceWalkSabotage(rawValue: number))
      var options = SpaceWalkOptions(seed: 5, operationCount: 20_000)
      options.sabotage = sabotage
      let outcome = try WalkMachine.walk(options, watched: false, isSpoiled: true)
      let step = try #require(outcome.sabotagedStep, "\(sabotage) was never possible")
      let problem = try #require(outcome.problem, "\(sabotage) at step \(step) went unnoticed")
      #expect(outcome.stepCount < step + 100)
      print("\(sabotage) at step \(step) is noticed at \(outcome.stepCount): \(problem)")
    }

    private func describe(_ outcome: SpaceWalkOutcome, _ time: Duration) -> String {
      let counts = (0..<SpaceOperation.count).map { number in
        "\(SpaceOperation(rawValue: number).map { "\($0)" } ?? "") \(outcome.counts[number])"
      }
      let rate = Double(outcome.operationCount) / (time / .seconds(1))
      return """
        \(outcome.operationCount) operations, \(Int(rate)) a second; \(outcome.refusalCount) \
        refused \
        for want of memory, \(outcome.errorCount) for other reasons
        \(counts.joined(separator: ", "))
        """
    }
  }
}

/// Whether the tests are compiled with optimisation, so that there is time for more.
let isOptimized: Bool = {
  var isOptimized = true
  assert({ isOptimized = false }() == ())
  return isOptimized
}()
