import CTessera
import Foundation
import Scenarios
import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Random walk through the heap") struct RandomHeapOperationsTests {
    private static func walk(
      _ operationCount: Int, processorCount: Int, frameCount: Int = 4096, isPoisoned: Bool = false,
      isSpoiled: Bool = false
    ) throws -> RandomHeapOutcome {
      let machine = SimulatedMachine(frameCount: frameCount, processorCount: processorCount)
      try machine.startKernelSpace()
      if isPoisoned { machine.poisonFreedFrames() }
      defer { simulated_set_frame_poisoning(false) }
      var options = RandomHeapOptions(seed: Seed.current, operationCount: operationCount)
      options.processorCount = processorCount
      options.become = { simulated_current_processor().pointee.number = UInt32($0) }
      options.failAllocation = { simulated_fail_allocation(UInt64($0)) }
      options.isSpoiled = isSpoiled
      let outcome = RandomHeapOperations.run(options)
      #expect(machine.violations == [])
      return outcome
    }

    private static var operationCount: Int {
      let wished = ProcessInfo.processInfo.environment["TESSERA_RANDOM_OPERATIONS"]
      return wished.flatMap { Int($0) }.map { $0 / 30 } ?? 20_000
    }

    @Test(.seeded(1), arguments: [1, 2, 4])
    func `objects have what was written last`(processorCount: Int) throws {
      let count = Self.operationCount
      let outcome = try Self.walk(count, processorCount: processorCount)
      #expect(outcome.problem == nil)
      #expect(outcome.operationCount == count)
      #expect(outcome.allocationCount > count / 5 && outcome.freeCount > count / 5)
      #expect(outcome.resizeCount > count / 20 && outcome.moveCount > count / 50)
      #expect(outcome.failureCount > 10 && outcome.largeCount > count / 200)
      #expect((outcome.crossFreeCount > count / 20) == (processorCount > 1))
    }

    @Test(.seeded(1)) func `a check build finds nothing wrong`() throws {
      let outcome = try Self.walk(10_000, processorCount: 3, isPoisoned: true)
      #expect(outcome.problem == nil)
      #expect(outcome.operationCount == 10_000)
    }

    @Test(.seeded(1)) func `with little memory larger objects are mapped`() throws {
      let outcome = try Self.walk(20_000, processorCount: 2, frameCount: 700)
      #expect(outcome.problem == nil)
      #expect(outcome.mappedCount > 0)
    }

    @Test(.seeded(1)) func `a byte that changes is seen`() throws {
      let outcome = try Self.walk(2_000, processorCount: 1, isSpoiled: true)
      #expect(outcome.problem.map { "\($0)" } == "an object has what was written to it")
    }
  }
}
