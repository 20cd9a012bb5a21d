internal import DemoPlatform
internal import Scenarios
internal import TesseraFrames
internal import TesseraHardware

/// Runs the scenarios, prints the result of each on the console, and counts them.
struct GuestSuite: ~Copyable {
  private var console = Console()
  private var passedCount: UInt64 = 0
  private var failedCount: UInt64 = 0
  /// Selects the random numbers: `seed=` on the command line, or that of the host's tests.
  private let seed: UInt64

  /// The largest number of frames that are all checked after each scenario.
  private static var frameCountVisitedEachTime: UInt64 { 20_000 }

  init(seed: UInt64?) { self.seed = seed ?? 20_261_121 }

  mutating func runScenarios() {
    let isSmall = FrameTable.frameCount <= Self.frameCountVisitedEachTime
    for number in 0..<Scenario.count {
      let scenario = Scenario(at: number)
      var checks = Checks(seed: seed)
      if !scenario.run(&checks, visitingEveryFrame: isSmall) {
        checks.fail("out of memory for the scenario")
      }
      report(scenario.name, checks)
    }
  }

  /// Runs the random operations on real memory, with the same seed as on the host.
  mutating func runRandomFrameOperations() {
    var options = RandomFrameOptions(seed: seed, stepCount: 4_000, frameCount: 64)
    options.fullCheckInterval =
      FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 100 : 2_000
    var checks = Checks()
    do throws(TesseraError) {
      let outcome = try RandomFrameOperations.runInBlock(options)
      checks.expect(outcome.problem == nil, outcome.problem ?? "frames match the model")
      checks.expect(outcome.mostUsed > 60, "a run reaches the end of memory")
      if outcome.problem != nil { reportEnd(outcome) }
    } catch {
      checks.fail("no block of memory for the run")
    }
    report("frames match the model in random operations", checks)
  }

  /// Runs the random operations on address spaces on the real MMU, with the seed of the host.
  mutating func runRandomSpaceOperations() {
    var options = RandomSpaceOptions(seed: seed, operationCount: 10_000)
    options.fullCheckInterval =
      FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 100 : 1_000
    let outcome = RandomSpaceOperations.run(options)
    var checks = Checks()
    checks.expect(outcome.problem == nil, outcome.problem ?? "spaces match the model")
    checks.expect(outcome.operationCount >= 10_000, "a run takes all its steps")
    report("spaces match the model in random operations", checks)
    if outcome.problem != nil {
      console.write("     step ")
      console.write(decimal: UInt64(outcome.episodeStepCount))
      console.write(" of the episode with seed ")
      console.write(decimal: outcome.episodeSeed)
      console.write(", at ")
      console.write(hexadecimal: outcome.address)
      console.writeLine()
    }
  }

  /// Runs the random operations on pages that appear and are copied, on the real MMU.
  mutating func runRandomPagingOperations() {
    var options = RandomPagingOptions(
      seed: seed, operationCount: 20_000, machine: PagingHooks.machine)
    options.fullCheckInterval =
      FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 250 : 1_000
    let outcome = RandomPagingOperations.run(options)
    var checks = Checks()
    checks.expect(outcome.problem == nil, outcome.problem ?? "pages match the model")
    checks.expect(outcome.operationCount >= 20_000, "a walk does all its operations")
    for number in 1..<outcome.answers.count - 1 {
      checks.expect(outcome.answers[number] > 100, "faults have every answer")
    }
    report("pages have what was written last, after any faults", checks)
    if outcome.problem != nil {
      reportEpisode(outcome.episodeOperationCount, outcome.episodeSeed, outcome.address)
    }
  }

  private mutating func reportEpisode(_ count: Int, _ seed: UInt64, _ address: UInt64) {
    console.write("     operation ")
    console.write(decimal: UInt64(count))
    console.write(" of the episode with seed ")
    console.write(decimal: seed)
    console.write(", at ")
    console.write(hexadecimal: address)
    console.writeLine()
  }

  /// Runs the random operations on pages that go to stores and come back, on the real MMU, with
  /// stores that finish at once and with stores that finish later.
  mutating func runRandomPagerOperations() {
    runRandomPagerOperations(isSlow: false)
    runRandomPagerOperations(isSlow: true)
  }

  private mutating func runRandomPagerOperations(isSlow: Bool) {
    let isSmall = FrameTable.frameCount <= Self.frameCountVisitedEachTime
    // The seeds of the host's tests.
    var options = RandomPagerOptions(
      seed: seed ^ (isSlow ? 1 << 40 : 0), operationCount: 10_000, isSlow: isSlow,
      machine: PagingHooks.machine)
    options.fullCheckInterval = isSmall ? 500 : 2_000
    options.usesClock = isSmall
    let outcome = RandomPagerOperations.run(options)
    var checks = Checks()
    checks.expect(outcome.problem == nil, outcome.problem ?? "pages match the model")
    checks.expect(outcome.operationCount >= 10_000, "a walk does all its operations")
    checks.expect(outcome.freedCount > 1_000, "pages are taken away")
    checks.expect(outcome.faultCount > 1_000 && outcome.failedCount > 10, "pages are brought")
    checks.expect((outcome.waitCount > 100) == isSlow, "slow stores are waited for")
    report(
      isSlow
        ? "pages come back from slow stores as they were"
        : "pages come back from stores as they were", checks)
    tally(outcome, options.seed)
  }

  private mutating func tally(_ outcome: RandomPagerOutcome, _ seed: UInt64) {
    console.write(outcome.problem == nil ? "     tally: seed " : "     seed ")
    console.write(decimal: seed)
    console.write(", ")
    console.write(decimal: UInt64(outcome.operationCount))
    console.write(" operations, ")
    console.write(decimal: UInt64(outcome.faultCount))
    console.write(" faults, ")
    console.write(decimal: UInt64(outcome.freedCount))
    console.write(" pages taken away, ")
    console.write(decimal: UInt64(outcome.readCount))
    console.write(" read, ")
    console.write(decimal: UInt64(outcome.writeCount))
    console.write(" written")
    console.writeLine()
    if outcome.problem != nil {
      reportEpisode(outcome.episodeOperationCount, outcome.episodeSeed, outcome.address)
    }
  }

  /// Runs the random operations on the heap, with objects at the addresses where they are mapped.
  mutating func runRandomHeapOperations() {
    var options = RandomHeapOptions(seed: seed, operationCount: 30_000)
    options.checkInterval = FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 500 : 5_000
    let outcome = RandomHeapOperations.run(options)
    var checks = Checks()
    checks.expect(outcome.problem == nil, outcome.problem ?? "objects match the model")
    checks.expect(outcome.operationCount == 30_000, "a walk does all its operations")
    checks.expect(outcome.moveCount > 100 && outcome.largeCount > 100, "objects move and are large")
    report("objects of the heap have what was written last", checks)
  }

  private mutating func reportEnd(_ outcome: RandomFrameOutcome) {
    console.write("     step ")
    console.write(decimal: UInt64(outcome.stepCount))
    console.write(" of the run with seed ")
    console.write(decimal: seed)
    console.write(": ")
    console.write(outcome.operation.name)
    console.writeLine()
  }

  /// Checks every slot and every free frame.
  mutating func checkEveryFrame() {
    var checks = Checks()
    FrameBalance.checkInvariants(&checks)
    report("invariants of slots and allocator hold at the end", checks)
  }

  /// Prints the totals as the last line, and exits with the matching status.
  consuming func finish() -> Never {
    console.write(decimal: passedCount)
    console.write(" passed, ")
    console.write(decimal: failedCount)
    console.write(" failed\n")
    let status: ExitStatus = passedCount > 0 && failedCount == 0 ? .success : .failure
    status.exit()
  }

  private mutating func report(_ name: StaticString, _ checks: borrowing Checks) {
    guard checks.failureCount > 0 || checks.expectationCount == 0 else {
      passedCount += 1
      console.write("ok   ")
      console.write(name)
      console.writeLine()
      return
    }
    failedCount += 1
    if checks.expectationCount == 0 { report(name, "no expectation was checked") }
    checks.forEachFailure { failure in
      report(name, failure.message)
      console.write("     at ")
      console.write(failure.file)
      console.write(":")
      console.write(decimal: UInt64(failure.line))
      console.writeLine()
    }
  }

  private mutating func report(_ name: StaticString, _ message: StaticString) {
    console.write("FAIL ")
    console.write(name)
    console.write(": ")
    console.write(message)
    console.writeLine()
  }
}
