import CallFuzz
import Foundation
import SimulatedMachine
import Testing

extension OnSimulatedMachine {
  /// Random sequences of calls; `Tests/Fuzz/CAPI/run` runs the same check under libFuzzer.
  @Suite("Random calls of the C API") struct CallFuzzTests {
    @Test(arguments: [false, true])
    func `any sequence of calls keeps the invariants and frees all memory`(hasPool: Bool) {
      var generator = SystemRandomNumberGenerator()
      let environment = ProcessInfo.processInfo.environment
      let seed = environment["TESSERA_SEED"].flatMap(UInt64.init) ?? generator.next()
      var state = seed | 1
      var callCount = 0
      for run in 0..<30 {
        let bytes = (0..<600).map { _ -> UInt8 in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return UInt8(truncatingIfNeeded: state >> 56)
        }
        var calls = CallSequence(bytes)
        // Frames claimed by address were not allocated from the pool.
        let pool = KernelPool(LoadedMachine.usableFrames, acceptsClaimed: true)
        let problem = calls.run { config in
          guard hasPool else { return }
          config.allocate_frames = KernelPool.allocateFrames
          config.free_frames = KernelPool.freeFrames
          config.frames_context = pool.context
        }
        #expect(pool.problems == [], "TESSERA_SEED=\(seed), run \(run)")
        #expect((pool.givenCount > 33) == hasPool)
        callCount += calls.callCount
        #expect(problem == nil, "TESSERA_SEED=\(seed), run \(run)")
        if problem != nil { break }
      }
      #expect(callCount > 1_500)
    }

    @Test(arguments: CallSequence.Sabotage.allCases)
    func `a fault injected after the calls is detected`(_ sabotage: CallSequence.Sabotage) {
      for length in [0, 40, 400] {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 >> 3) }
        #expect(problem(after: bytes) == nil, "after \(length) bytes")
        #expect(problem(after: bytes, sabotage) != nil, "after \(length) bytes")
      }
    }

    /// Runs the calls on a machine of their own, as there can be only one at a time.
    private func problem(
      after bytes: [UInt8], _ sabotage: CallSequence.Sabotage? = nil
    ) -> String? {
      var calls = CallSequence(bytes)
      return calls.run(sabotage)
    }
  }
}
