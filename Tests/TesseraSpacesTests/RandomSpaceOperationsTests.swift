import CTessera
import Foundation
import Scenarios
import SimulatedMachine
import Tessera
import TesseraHardware
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `TESSERA_SEED` and `TESSERA_STEPS` in the environment select other walks.
  /// `TESSERA_RANDOM_OPERATIONS` is the total length of the walks run in parallel, which they reach
  /// however long it takes. With `TESSERA_RANDOM_SECONDS`, each process ends after so much
  /// processor time, and the walks may be shorter.
  @Suite("Random walk through spaces") struct RandomSpaceOperationsTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// More in optimized builds, which are faster.
    private static var operationCount: Int {
      if let chosen = environment["TESSERA_STEPS"].flatMap({ Int($0) }) { return chosen }
      return Seed.rounds(isOptimized ? 400_000 : 8_000, ofRange: 2_000)
    }

    /// The total number of operations of all parallel walks.
    private static let operationCountAtOnce =
      environment["TESSERA_RANDOM_OPERATIONS"].flatMap { Int($0) }
      ?? (isOptimized ? 400_000 : 4_000)

    /// The processor time of each parallel process; nil if it is not limited.
    private static let secondsAtOnce =
      environment["TESSERA_RANDOM_SECONDS"].flatMap { Int($0) }

    /// What the seeds of walks that an MMU watches differ in from those of the others.
    private static let watchedWalks: UInt64 = 1 << 40

    /// Runs a walk. If it finds a difference, reports a minimized trace of it, and `advice`.
    private static func walk(
      _ options: RandomSpaceOptions, watched: Bool, hasPool: Bool = false, on number: Int = 0,
      advice: String = ""
    ) throws -> RandomSpaceOutcome {
      var options = options
      // An episode is not cut short.
      if Seed.isRange { options.episodeLength = min(1000, options.operationCount) }
      if Seed.isSpoiled { options.injectedFault = .changedRights }
      let start = ContinuousClock.now
      let outcome = try SpaceOperationsMachine.walk(
        options, watched: watched, hasPool: hasPool, on: number)
      if let problem = outcome.problem {
        let trace = try SpaceOperationTrace(of: outcome, options, watched: watched)
        Issue.record(
          """
          \(problem) at \(String(outcome.address, radix: 16)), operation \(outcome.operationCount)
          \(trace.description)\(advice)
          """)
      }
      if !Seed.isRange { print(describe(outcome, ContinuousClock.now - start)) }
      return outcome
    }

    @Test(.seeded(20_261_121)) func `spaces agree with the model`() throws {
      let options = RandomSpaceOptions(seed: Seed.current, operationCount: Self.operationCount)
      let outcome = try Self.walk(options, watched: false)
      // Every operation was done often enough.
      for number in 0..<SpaceOperation.count {
        #expect(outcome.counts[number] > outcome.operationCount / 2000)
      }
      #expect(outcome.failureCount > outcome.operationCount / 1000)
    }

    /// What selects the same walk as one of `parallel walks agree with the model`.
    private static func advice(_ options: RandomSpaceOptions, watched: Bool) -> String {
      let seed = watched ? options.seed ^ watchedWalks : options.seed
      let steps = options.operationCount * (watched ? 4 : 1)
      let name = watched ? "no processor uses a stale translation" : "spaces agree with the model"
      return """

        only this walk: TESSERA_SEED=\(seed) TESSERA_STEPS=\(steps) swift test \
        --filter '/.\(name).[(]'
        """
    }

    @Test(.seeded(20_261_121)) func `no processor uses a stale translation`() throws {
      let options = RandomSpaceOptions(
        seed: Seed.current ^ Self.watchedWalks, operationCount: Self.operationCount / 4)
      _ = try Self.walk(options, watched: true)
    }

    @Test(.seeded(20_261_121)) func `no other processor uses a stale translation either`() throws {
      let options = RandomSpaceOptions(
        seed: Seed.current ^ 2 << 40, operationCount: Self.operationCount / 8)
      _ = try Self.walk(options, watched: true, on: 5)
    }

    @Test(.seeded(20_261_121), arguments: [false, true])
    func `spaces on an external allocator agree with the model`(watched: Bool) throws {
      let options = RandomSpaceOptions(
        seed: Seed.current ^ 3 << 40, operationCount: Self.operationCount / (watched ? 8 : 2))
      _ = try Self.walk(options, watched: watched, hasPool: true)
    }

    @Test(
      .seeded(20_261_121),
      arguments: [(5, true, 52, 0), (5, false, 40, 1), (4, false, 52, 2), (4, true, 38, 1)]
        as [(Int, Bool, Int, Int)], [false, true])
    func `spaces agree with the model on other kinds of processors`(
      kind: (levelCount: Int, hasOneGiBPages: Bool, width: Int, contexts: Int), watched: Bool
    ) throws {
      // 1: process-context identifiers; 2: INVPCID, too.
      SimulatedMachine.setFeatures(
        physicalAddressWidth: kind.width, hasFiveLevels: kind.levelCount == 5,
        hasOneGiBPages: kind.hasOneGiBPages, hasContextIdentifiers: kind.contexts > 0,
        hasContextInvalidation: kind.contexts > 1)
      unsafe PagingMode.install(
        PagingMode(
          rootLevel: PagingLevel(kind.levelCount), physicalAddressWidth: kind.width,
          hasOneGiBPages: kind.hasOneGiBPages))
      defer {
        SimulatedMachine.setFeatures()
        unsafe PagingMode.install(PagingMode())
      }
      var options = RandomSpaceOptions(
        seed: Seed.current ^ 4 << 40,
        operationCount: Seed.rounds(isOptimized ? 20_000 : 500, ofRange: 200))
      options.episodeLength = isOptimized ? 1000 : 200
      let outcome = try Self.walk(options, watched: watched)
      #expect(outcome.operationCount >= options.operationCount)
    }

    /// In several processes, because each has one machine. These are the walks of the tests above,
    /// which run with a range of seeds if there is one.
    @Test(
      .seeded(20_261_121),
      .enabled(
        if: environment["TESSERA_STEPS"] == nil && !Seed.isRange
          && (isOptimized || environment["TESSERA_RANDOM_OPERATIONS"] != nil),
        "one walk was selected, or the build is not optimized"))
    func `parallel walks agree with the model`() async throws {
      let start = ContinuousClock.now
      let processCount = ProcessInfo.processInfo.activeProcessorCount
      let each = Self.operationCountAtOnce / processCount
      let walked = try await withThrowingTaskGroup(of: [Int].self) { group in
        for number in 1...processCount {
          let seed = Seed.current &+ UInt64(number) << 32
          group.addTask { try await Self.walkElsewhere(seed, each) }
        }
        return try await group.reduce([0, 0, 0]) { sum, walked in zip(sum, walked).map(+) }
      }
      if let seconds = Self.secondsAtOnce, walked[0] < each * processCount {
        print(
          """
          tally: of \(each * processCount) operations of random walks, \(walked[0]) fitted into \
          \(seconds) seconds of each processor
          """)
      } else {
        #expect(walked[0] >= each * processCount)
      }
      let rate = Double(walked[0]) / ((ContinuousClock.now - start) / .seconds(1))
      print(
        """
        tally: \(walked[0]) operations of random walks through spaces, \(walked[2]) of them \
        watched by an MMU; \(walked[1]) episodes, each with a seed of its own; \(Int(rate)) \
        operations a second
        """)
    }

    /// Runs walks in another process, every eighth watched by the simulated MMU. Returns the number
    /// of operations, of episodes, and of watched operations.
    private static func walkElsewhere(_ seed: UInt64, _ operationCount: Int) async throws -> [Int] {
      let result = await #expect(
        processExitsWith: .success, observing: [\.standardOutputContent]
      ) { [seed, operationCount] in
        let limit = OnSimulatedMachine.RandomSpaceOperationsTests.secondsAtOnce
        var (operations, episodes, watched) = (0, 0, 0)
        var walkNumber: UInt64 = 0
        while operations < operationCount {
          if let limit, clock() / CLOCKS_PER_SEC >= limit { break }
          let isWatched = walkNumber % 8 == 0
          let options = RandomSpaceOptions(
            seed: seed &+ walkNumber << 40, operationCount: min(operationCount, 100_000))
          let outcome = try OnSimulatedMachine.RandomSpaceOperationsTests.walk(
            options, watched: isWatched,
            advice: OnSimulatedMachine.RandomSpaceOperationsTests.advice(
              options, watched: isWatched))
          operations += outcome.operationCount
          episodes += outcome.episodeCount
          if isWatched { watched += outcome.operationCount }
          walkNumber += 1
        }
        print("walked", operations, episodes, watched)
      }
      let said = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
      let line = try #require(said.split(separator: "\n").first { $0.hasPrefix("walked ") })
      return line.split(separator: " ").dropFirst().compactMap { Int($0) }
    }

    @Test(.seeded(5), arguments: 0..<InjectedSpaceFault.count)
    func `a walk detects deliberate faults`(number: Int) throws {
      let fault = try #require(InjectedSpaceFault(rawValue: number))
      var options = RandomSpaceOptions(seed: Seed.current, operationCount: 20_000)
      options.injectedFault = fault
      let outcome = try SpaceOperationsMachine.walk(options, watched: false, isSpoiled: true)
      let step = try #require(outcome.faultStep, "\(fault) was never possible")
      let problem = try #require(outcome.problem, "\(fault) at step \(step) went unnoticed")
      #expect(outcome.stepCount < step + 100)
      if Seed.isRange { return }
      print("\(fault) at step \(step) is noticed at \(outcome.stepCount): \(problem)")
    }

    private static func describe(_ outcome: RandomSpaceOutcome, _ time: Duration) -> String {
      let counts = (0..<SpaceOperation.count).map { number in
        "\(SpaceOperation(rawValue: number).map { "\($0)" } ?? "") \(outcome.counts[number])"
      }
      let rate = Double(outcome.operationCount) / (time / .seconds(1))
      return """
        \(outcome.operationCount) operations, \(Int(rate)) a second; \(outcome.failureCount) \
        failed for lack of memory, \(outcome.errorCount) for other reasons
        \(counts.joined(separator: ", "))
        """
    }
  }
}
