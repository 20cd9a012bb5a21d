internal import DemoPlatform
internal import Scenarios
internal import TesseraFrames
internal import TesseraHardware

/// Runs the scenarios one after the other, says on the console how each went, and counts.
struct GuestSuite: ~Copyable {
  private var console = Console()
  private var passedCount: UInt64 = 0
  private var failedCount: UInt64 = 0

  /// Every frame is looked at after each scenario only where that takes no time to speak of.
  private static var frameCountVisitedEachTime: UInt64 { 20_000 }

  mutating func runScenarios() {
    let isSmall = FrameTable.frameCount <= Self.frameCountVisitedEachTime
    for number in 0..<Scenario.count {
      guard let scenario = Scenario(rawValue: number) else { continue }
      var checks = Checks()
      if !scenario.run(&checks, visitingEveryFrame: isSmall) {
        checks.fail("no memory was left for the scenario")
      }
      report(scenario.name, checks)
    }
  }

  /// Takes the random walk on real memory, with the same seed as the walk on the host.
  mutating func runWalk() {
    var options = WalkOptions(seed: Self.seed, stepCount: 4_000, frameCount: 64)
    options.fullCheckInterval =
      FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 100 : 2_000
    var checks = Checks()
    do throws(FrameError) {
      let outcome = try RandomWalk.runInBlock(options)
      checks.expect(outcome.problem == nil, outcome.problem ?? "frames do what the model says")
      checks.expect(outcome.mostUsed > 60, "a walk comes to the end of memory")
      if outcome.problem != nil { reportEnd(outcome) }
    } catch {
      checks.fail("there is a block of memory to walk in")
    }
    report("frames do what the model says, whatever is done with them", checks)
  }

  /// Walks at random through address spaces on the real MMU, with the same seed as on the host.
  mutating func runSpaceWalk() {
    var options = SpaceWalkOptions(seed: Self.seed, operationCount: 10_000)
    options.fullCheckInterval =
      FrameTable.frameCount <= Self.frameCountVisitedEachTime ? 100 : 1_000
    let outcome = SpaceWalk.run(options)
    var checks = Checks()
    checks.expect(outcome.problem == nil, outcome.problem ?? "spaces show what the model says")
    checks.expect(outcome.operationCount >= 10_000, "a walk takes all its steps")
    report("spaces show what the model says, whatever is done with them", checks)
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

  private static var seed: UInt64 { 20_261_121 }

  private mutating func reportEnd(_ outcome: WalkOutcome) {
    console.write("     step ")
    console.write(decimal: UInt64(outcome.stepCount))
    console.write(" of the walk with seed ")
    console.write(decimal: Self.seed)
    console.write(": ")
    console.write(outcome.operation.name)
    console.writeLine()
  }

  /// Looks at every slot and every free frame.
  mutating func checkEveryFrame() {
    var checks = Checks()
    Accounts.checkInvariants(&checks)
    report("slots and allocator keep their rules in the end", checks)
  }

  /// Prints the sum as the last line, and leaves with the status that goes with it.
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
    if checks.expectationCount == 0 { report(name, "nothing was expected") }
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
