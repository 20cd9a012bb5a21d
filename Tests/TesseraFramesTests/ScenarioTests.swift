import Scenarios
import SimulatedMachine
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The scenarios that a kernel also runs on real memory, here on a machine with 24 MiB.
  @Suite("Scenarios") struct ScenarioTests {
    let machine = SimulatedMachine(frameCount: 6144, reserved: 16)

    /// The scenarios that draw random numbers.
    private static let random = (0..<Scenario.count).filter {
      "\(Scenario(at: $0).name)".contains("freed in any ")
    }

    @Test(arguments: 0..<Scenario.count)
    func `a scenario passes`(number: Int) { expectSuccess(number, Checks()) }

    @Test(.seeded(20_261_121), arguments: random)
    func `a scenario passes with any random numbers`(number: Int) {
      expectSuccess(number, Checks(seed: Seed.current))
    }

    private func expectSuccess(_ number: Int, _ checks: consuming Checks) {
      let scenario = Scenario(at: number)
      let isComplete = scenario.run(&checks, visitingEveryFrame: true)
      #expect(isComplete, "\(scenario.name): memory ran out")
      #expect(checks.expectationCount > 5)
      checks.forEachFailure { failure in
        Issue.record("\(scenario.name): \(failure.message) (\(failure.file):\(failure.line))")
      }
      #expect(machine.violations == [])
    }

    @Test func `every scenario has a unique name`() {
      let names = (0..<Scenario.count).map { "\(Scenario(at: $0).name)" }
      #expect(Set(names).count == Scenario.count)
      #expect(Self.random.count == 2)
      #expect(names.allSatisfy { $0.count > 10 })
    }

    @Test func `a failed expectation is reported`() {
      var checks = Checks()
      checks.expect(true, "what holds")
      checks.expect(false, "what does not hold", file: "here", line: 7)
      var reported: [String] = []
      checks.forEachFailure { reported.append("\($0.message) (\($0.file):\($0.line))") }
      #expect(reported == ["what does not hold (here:7)"])
      #expect(checks.expectationCount == 2)
      #expect(checks.failureCount == 1)
    }
  }
}
