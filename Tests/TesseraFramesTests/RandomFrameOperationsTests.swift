import CTessera
import Foundation
import Scenarios
import SimulatedMachine
import TesseraFrames
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `TESSERA_SEED` and `TESSERA_STEPS` in the environment choose other walks.
  @Suite("Random walk") struct RandomFrameOperationsTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// With optimization there is time for millions of steps.
    private static var stepCount: Int {
      if let chosen = environment["TESSERA_STEPS"].flatMap({ Int($0) }) { return chosen }
      return Seed.rounds(isOptimized ? 2_050_000 : 50_000, ofRange: 4_000)
    }

    /// The options of a walk on a machine with `processorCount` processors that fails allocations.
    private func options(
      _ frameCount: Int, steps: Int, processorCount: Int = 1
    ) -> RandomFrameOptions {
      var options = RandomFrameOptions(
        seed: Seed.current, stepCount: steps, frameCount: frameCount)
      if Seed.isSpoiled { options.injectedFault = .leakedFrame }
      options.machine = RandomFrameMachine(
        processorCount: processorCount,
        failNextAllocation: { simulated_fail_allocation(1) },
        failNoAllocation: { simulated_fail_allocation(0) },
        becomeProcessor: { simulated_current_processor().pointee.number = UInt32($0) })
      return options
    }

    /// Describes what a walk did.
    private func describe(_ outcome: RandomFrameOutcome) -> String {
      let counts = (0..<FrameOperation.count).map { number in
        "\(FrameOperation(rawValue: number).map { "\($0)" } ?? "") \(outcome.counts[number])"
      }
      return """
        seed \(Seed.current), \(outcome.stepCount) steps
        at most \(outcome.mostUsed) frames in use, \(outcome.failureCount) allocations failed
        \(counts.joined(separator: ", "))
        """
    }

    private func expectNoProblem(_ outcome: RandomFrameOutcome, _ machine: SimulatedMachine) {
      if let problem = outcome.problem {
        let place = "step \(outcome.stepCount), \(outcome.operation.name)"
        Issue.record("\(place): \(problem)\n\(describe(outcome))")
      }
      for processor in 0..<machine.processorCount {
        asProcessor(processor) { FrameAllocator.drainCache() }
      }
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(FrameAllocator.statistics.cachedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test(.seeded(20_261_121)) func `frames match the model`() {
      let machine = SimulatedMachine(frameCount: 72, reserved: 5)
      let outcome = RandomFrameOperations.run(options(72, steps: Self.stepCount))
      if !Seed.isRange { print(describe(outcome)) }
      expectNoProblem(outcome, machine)
      // A walk that is long enough does most of what it can do, and comes to the end of memory.
      guard Self.stepCount >= 50_000 else { return }
      #expect(outcome.operationCount > Self.stepCount / 100 * 99)
      #expect((0..<FrameOperation.count).allSatisfy { outcome.counts[$0] > Self.stepCount / 2000 })
      #expect(outcome.mostUsed > 64)
      #expect(outcome.failureCount > Self.stepCount / 200)
    }

    @Test(.seeded(20_261_121)) func `frames match the model on three processors`() {
      let machine = SimulatedMachine(frameCount: 160, reserved: 3, processorCount: 3)
      Interrupts.connect()
      let outcome = RandomFrameOperations.run(
        options(160, steps: Self.stepCount / 5, processorCount: 3))
      expectNoProblem(outcome, machine)
    }

    @Test(.seeded(20_261_121)) func `frames match the model while freed memory is poisoned`() {
      let machine = SimulatedMachine(frameCount: 64, reserved: 1)
      machine.poisonFreedFrames()
      let outcome = RandomFrameOperations.run(options(64, steps: Self.stepCount / 10))
      expectNoProblem(outcome, machine)
    }

    @Test(.seeded(20_261_121))
    func `a walk in a block of a larger machine does not change the rest`() throws {
      let machine = SimulatedMachine(frameCount: 1000, reserved: 8)
      let outcome = try RandomFrameOperations.runInBlock(options(64, steps: Self.stepCount / 20))
      #expect(outcome.mostUsed > 40 || Self.stepCount < 50_000)
      expectNoProblem(outcome, machine)
    }

    @Test(.seeded(20_261_121)) func `the same seed is the same walk`() {
      let machine = SimulatedMachine(frameCount: 64)
      let first = RandomFrameOperations.run(options(64, steps: 2000))
      expectNoProblem(first, machine)
      let again = SimulatedMachine(frameCount: 64)
      let second = RandomFrameOperations.run(options(64, steps: 2000))
      #expect(describe(first) == describe(second))
      expectNoProblem(second, again)
    }

    @Test(.seeded(20_261_121), arguments: 0..<InjectedFrameFault.count)
    func `a walk detects each deliberate error`(number: Int) throws {
      let fault = try #require(InjectedFrameFault(rawValue: number))
      let machine = SimulatedMachine(frameCount: 96, reserved: 5)
      var options = options(96, steps: 5000)
      options.injectedFault = fault
      let outcome = RandomFrameOperations.run(options)
      let step = try #require(outcome.faultStep, "\(fault) was never possible")
      #expect(outcome.problem != nil, "\(fault) at step \(step) went unnoticed")
      // A word is read when its frame is used again or freed, which may be long after.
      let limit = fault == .changedWord ? 4000 : 1000
      #expect(outcome.stepCount >= step && outcome.stepCount < step + limit)
      if let problem = outcome.problem, !Seed.isRange {
        print("\(fault) at step \(step) is noticed at \(outcome.stepCount): \(problem)")
      }
      // The walk undid it, so that nothing was lost.
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }
  }
}
