import Scenarios
import SimulatedMachine
import Testing

extension OnSimulatedMachine {
  /// Fails each allocation of each scenario once.
  @Suite("Allocation failure") struct AllocationFailureTests {
    let machine = SimulatedMachine(frameCount: 6144, reserved: 16)

    /// An upper bound of the allocations of a scenario.
    private static let mostAllocations = 5000

    @Test(arguments: 0..<Scenario.count)
    func `a scenario survives the failure of any of its allocations`(number: Int) {
      let scenario = Scenario(at: number)
      for ordinal in 1...Self.mostAllocations {
        machine.failAllocation(ordinal)
        var checks = Checks()
        let isComplete = scenario.run(&checks, visitingEveryFrame: ordinal <= 8)
        let hasFailed = machine.hasFailedAllocation
        machine.failAllocation(0)

        checks.forEachFailure { failure in
          Issue.record(
            "\(scenario.name), allocation \(ordinal): \(failure.message) at line \(failure.line)")
        }
        #expect(machine.violations == [])
        // Some scenarios complete all the same: they test that an allocation fails.
        #expect(isComplete || hasFailed, "memory ran out in \(scenario.name)")
        if !hasFailed || checks.failureCount > 0 { return }
      }
      Issue.record("\(scenario.name) made more than \(Self.mostAllocations) allocations")
    }
  }
}
