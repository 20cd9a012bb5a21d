import Foundation
import Synchronization
package import Testing

/// The seed of the random numbers that a test draws, which has the trait `seeded(_:)`.
///
/// `TESSERA_SEED` is a seed, or a range of them such as `1..1000`: each test then runs with every
/// seed of the range, but fewer rounds with each. Without it, each test has a seed of its own.
package enum Seed {
  /// Which seeds all tests run with.
  private struct Choice {
    let seeds: ClosedRange<UInt64>
    let isRange: Bool

    init?(_ text: String) {
      let isRange = text.contains("..")
      let bounds = text.split(separator: ".").map { UInt64($0) }
      guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last,
        bounds.count == (isRange ? 2 : 1)
      else { return nil }
      seeds = first...last
      self.isRange = isRange
    }
  }

  private static let environment = ProcessInfo.processInfo.environment

  private static let choice: Choice? = environment["TESSERA_SEED"].map { text in
    guard let choice = Choice(text) else {
      fatalError("TESSERA_SEED is neither a number nor a range such as 1..1000: \(text)")
    }
    return choice
  }

  /// The seed with which a walk does something wrong on purpose, to see that it is found among
  /// others.
  private static let spoiled = environment["TESSERA_SPOILED_SEED"].flatMap { UInt64($0) }

  @TaskLocal fileprivate static var running: UInt64?

  /// The seed of the test that runs. Threads that the test starts have to be given it.
  package static var current: UInt64 {
    guard let running else { fatalError("a test that draws random numbers is not `.seeded`") }
    return running
  }

  /// Whether each test runs with a range of seeds.
  package static var isRange: Bool { choice?.isRange ?? false }

  /// Whether the test that runs should do something wrong.
  package static var isSpoiled: Bool { running != nil && running == spoiled }

  /// How often a test does what it does: `usual`, or `ofRange` with each seed of a range.
  package static func rounds(_ usual: Int, ofRange: Int) -> Int { isRange ? ofRange : usual }

  fileprivate static func selected(_ usual: UInt64?) -> ClosedRange<UInt64> {
    if let choice { return choice.seeds }
    let seed = usual ?? UInt64.random(in: 0 ... .max)
    return seed...seed
  }

  /// What to type in order to run test `name` with `seed` again, and as many rounds.
  fileprivate static func command(_ seed: UInt64, _ name: String) -> String {
    var words = ["TESSERA_SEED=\(isRange ? "\(seed)..\(seed)" : "\(seed)")"]
    for variable in ["TESSERA_STEPS", "TESSERA_FUZZ_RUNS", "TESSERA_SPOILED_SEED"] {
      if let value = environment[variable] { words.append("\(variable)=\(value)") }
    }
    words.append("swift test")
    if isOptimized { words.append("-c release -Xswiftc -enable-testing") }
    // A name is followed by a mark that a shell would take for its own; here any character is it.
    let sentence = name.drop { $0 == "`" }.prefix { $0 != "`" && $0 != "(" }
    words.append("--filter '/.\(sentence).[(]'")
    return words.joined(separator: " ")
  }
}

extension Trait where Self == SeedTrait {
  /// The test draws random numbers from `Seed.current`, which is `usual` unless `TESSERA_SEED` says
  /// otherwise; if that is nil, another one in each run. Each issue tells how to repeat the run.
  package static func seeded(_ usual: UInt64?) -> Self { SeedTrait(usual: usual) }
}

/// Runs a test with each seed that was selected, up to the first that fails.
package struct SeedTrait: TestTrait, TestScoping {
  fileprivate let usual: UInt64?

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let seeds = Seed.selected(usual)
    for seed in seeds {
      // In one write, before the run: the last line tells the seed of a crash.
      if Seed.isRange || usual == nil {
        let number = "\(seed - seeds.lowerBound + 1) of \(seeds.count)"
        let line = "seed: \(number): \(Seed.command(seed, test.name))\n"
        FileHandle.standardError.write(Data(line.utf8))
      }
      if try await fails(test, testCase, seed, function) { return }
    }
  }

  /// Runs the test once. Returns whether it failed.
  private func fails(
    _ test: Test, _ testCase: Test.Case?, _ seed: UInt64,
    _ function: @Sendable () async throws -> Void
  ) async throws -> Bool {
    let command = Seed.command(seed, test.name)
    let issues = IssueCount()
    let handler = IssueHandlingTrait.compactMapIssues { issue in
      issues.add()
      var issue = issue
      issue.comments.append("to repeat: \(command)")
      return issue
    }
    try await handler.provideScope(for: test, testCase: testCase) {
      await Seed.$running.withValue(seed) {
        do { try await function() } catch is ExpectationFailedError {
          // It is an issue already.
        } catch { Issue.record(error) }
      }
    }
    return issues.isAny
  }
}

/// The number of issues of one run of a test.
private final class IssueCount: Sendable {
  private let count = Atomic<Int>(0)

  func add() { count.wrappingAdd(1, ordering: .relaxed) }

  var isAny: Bool { count.load(ordering: .relaxed) > 0 }
}
