import Scenarios
import SimulatedMachine
import Testing

extension OnSimulatedMachine {
  /// The scenarios that a kernel also runs on real memory, here on a machine with 24 MiB.
  @Suite("Scenarios") struct ScenarioTests {
    let machine = SimulatedMachine(frameCount: 6144, reserved: 16)

    @Test(arguments: 0..<Scenario.count)
    func `a scenario passes`(number: Int) {
      let scenario = Scenario(at: number)
      var checks = Checks()
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
