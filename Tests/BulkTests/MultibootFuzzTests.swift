import Foundation
import MultibootFuzz
import TestSupport
import Testing

@Suite("Corrupted multiboot information") struct MultibootFuzzTests {
  /// The number of runs. A million take seconds in an optimised build.
  private static let runCount =
    ProcessInfo.processInfo.environment["TESSERA_FUZZ_RUNS"].flatMap { Int($0) }
    ?? Seed.rounds(100_000, ofRange: 1_000)

  @Test(.seeded(1)) func `any bytes are rejected or result in a valid map`() {
    var rejected = 0
    var accepted = 0
    for run in 0..<Self.runCount {
      // Each run has its own seed, so that a failing one can be run alone.
      var generator = FuzzGenerator(seed: Seed.current &+ UInt64(run) << 20)
      var image = MultibootImage(random: &generator)
      image.mutate(&generator)
      let outcome = MultibootCheck.outcome(
        of: image.bytes, at: image.base, magic: image.magic, sweepingDirectly: run % 16 == 0)
      switch outcome {
      case .rejected: rejected += 1
      case .accepted: accepted += 1
      case .broken(let rule):
        Issue.record("run \(run) of seed \(Seed.current): \(rule), \(image.bytes)")
        return
      }
    }
    if !Seed.isRange { print("multiboot: \(accepted) accepted, \(rejected) rejected") }
    // The test is only meaningful if both outcomes are frequent.
    #expect(accepted > Self.runCount / 10 && rejected > Self.runCount / 10)
  }
}
