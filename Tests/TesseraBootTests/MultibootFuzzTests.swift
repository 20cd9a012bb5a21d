import Foundation
import MultibootFuzz
import Testing

@Suite("Multiboot information, spoiled") struct MultibootFuzzTests {
  /// How many runs the environment asks for. A million take seconds if the build is optimised.
  private static let runCount =
    ProcessInfo.processInfo.environment["TESSERA_FUZZ_RUNS"].flatMap { Int($0) } ?? 100_000
  private static let seed =
    ProcessInfo.processInfo.environment["TESSERA_SEED"].flatMap { UInt64($0) } ?? 1

  @Test func `whatever the bytes are, they are refused or make a sound map`() {
    print("multiboot: TESSERA_FUZZ_RUNS=\(Self.runCount) TESSERA_SEED=\(Self.seed)")
    var refused = 0
    var accepted = 0
    for run in 0..<Self.runCount {
      // A seed for each run, so that one that fails can be run alone.
      var generator = FuzzGenerator(seed: Self.seed &+ UInt64(run) << 20)
      var image = MultibootImage(random: &generator)
      image.mutate(&generator)
      let outcome = MultibootCheck.outcome(
        of: image.bytes, at: image.base, magic: image.magic, sweepingDirectly: run % 16 == 0)
      switch outcome {
      case .refused: refused += 1
      case .accepted: accepted += 1
      case .broken(let rule):
        Issue.record("run \(run) of seed \(Self.seed): \(rule), \(image.bytes)")
        return
      }
    }
    print("multiboot: \(accepted) accepted, \(refused) refused")
    // If all were refused, or none, the rules would hardly have been tried.
    #expect(accepted > Self.runCount / 10 && refused > Self.runCount / 10)
  }
}
