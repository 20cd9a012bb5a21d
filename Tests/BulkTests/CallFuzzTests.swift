import CallFuzz
import SimulatedMachine
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Random sequences of calls; `Tests/Fuzz/CAPI/run` runs the same check under libFuzzer.
  @Suite("Random calls of the C API") struct CallFuzzTests {
    @Test(.seeded(nil), arguments: [false, true])
    func `any sequence of calls keeps the invariants and frees all memory`(hasPool: Bool) {
      var state = Seed.current << 1 | 1
      var callCount = 0
      var callCountAmongCursors = 0
      var objectCount = 0
      var (pagedCount, transferCount) = (0, 0)
      let runCount = Seed.rounds(30, ofRange: 3)
      for run in 0..<runCount {
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
        #expect(pool.problems == [], "run \(run)")
        #expect((pool.givenCount > 33) == hasPool)
        callCount += calls.callCount
        callCountAmongCursors += calls.callCountAmongCursors
        objectCount += calls.objectCount
        pagedCount += calls.pagedCount
        transferCount += calls.transferCount
        #expect(problem == nil, "run \(run)")
        if problem != nil { break }
      }
      #expect(callCount > 50 * runCount)
      #expect(callCountAmongCursors > 3 * runCount || Seed.isRange)
      #expect(objectCount > 3 * runCount)
      if Seed.isRange { return }
      #expect(pagedCount > runCount)
      #expect(transferCount > runCount)
    }

    /// The model does not know the frame of a page that is mapped through a cursor until the cursor
    /// is closed and the page queried, but that frame can be shared before.
    @Test func `a handle of a frame whose page was not queried yet is no contradiction`() {
      let first: [UInt8] = [0, 1, 1, 1]
      let allocations = (0..<8 as Range<UInt8>).map { [0, $0, 0, 0, 0] as [UInt8] }
      let drops = (0..<8 as Range<UInt8>).map { [0, 0, 0, $0, 5] as [UInt8] }
      let open: [UInt8] = [21, 0, 0, 0, 0, 0, 3, 0]
      let mapZeroed: [UInt8] = [25, 0, 4, 0, 1, 1, 1]
      let shares = (0..<8 as Range<UInt8>).map { [0, 0, 0, $0, 4] as [UInt8] }
      let close: [UInt8] = [24, 0]
      let bytes = first + (allocations + drops + [open, mapZeroed] + shares + [close]).joined()
      #expect(problem(after: bytes) == nil)
    }

    @Test func `an object that takes scattered frames is filled and compared, too`() {
      let first: [UInt8] = [0, 1, 1, 1]
      let largeAndSmall: [UInt8] = [32, 0, 0, 8, 1, 255] + [32, 1, 0, 7, 3, 0]
      let freeLarge: [UInt8] = [32, 0, 7]
      let mostOfMemory: [UInt8] = [32, 2, 0, 8, 0, 0]
      var calls = CallSequence(first + largeAndSmall + freeLarge + mostOfMemory)
      #expect(calls.run() == nil)
      #expect(calls.objectCount == 3 && calls.mappedObjectCount == 1)
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
