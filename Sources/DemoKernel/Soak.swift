internal import DemoPlatform
internal import Tessera
internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware

/// The storms over and over, each time with other random numbers, and programs in user mode, and
/// everything checked at intervals while the processors stand still.
///
/// The request is `soak=` and a number of seconds on the kernel's command line. With `lose=1` a
/// frame is lost on purpose, in the first turn, which has to be noticed.
struct Soak {
  // Together 10,000 operations in a turn.
  private static let changeCount: UInt64 = 4000
  private static let forkCount: UInt64 = 2400
  private static let mappingCount: UInt64 = 3200
  private static let spaceCount: UInt64 = 400

  private var console = Console()
  private var checks = Checks()
  private let seconds: UInt64
  /// The number of the turn in which a frame is lost on purpose; zero for none.
  private let losingTurn: UInt64
  private let watch = Stopwatch()
  private let balance: StormBalance

  private var turn: UInt64 = 0
  private var operationCount: UInt64 = 0
  private var auditCount: UInt64 = 0
  private var lostFrameCount: UInt64 = 0
  private var nextLine: UInt64 = 0

  /// What `commandLine` requests; nil if it requests none.
  init?(_ commandLine: BootText<MappedBootMemory>) {
    guard let seconds = commandLine.value(of: "soak")?.decimal else { return nil }
    self.seconds = seconds
    losingTurn = commandLine.value(of: "lose")?.decimal ?? 0
    StormBalance.drain()
    balance = StormBalance()
  }

  /// Runs until the time is over or something is wrong, and exits with the verdict.
  mutating func run() -> Never {
    console.write("tessera: soak for ")
    write(seconds, " s on ")
    write(UInt64(Processors.count), Processors.count == 1 ? " processor\n" : " processors\n")
    repeat {
      turn += 1
      do throws(TesseraError) {
        try blow()
        try runPrograms()
      } catch {
        checks.check(false, "the storms and the programs find memory")
      }
      audit()
      reportProgress()
    } while watch.milliseconds < seconds * 1000 && checks.failureCount == 0
    finish()
  }

  /// The number of rounds of each processor, of `count` for all. Counts them.
  private mutating func share(of count: UInt64) -> UInt64 {
    let share = max(1, count / UInt64(Processors.count))
    operationCount += share * UInt64(Processors.count)
    return share
  }

  /// Lets all processors do 10,000 operations, and checks what they have read.
  private mutating func blow() throws(TesseraError) {
    var changes = try Storm(
      roundCount: share(of: Self.changeCount), usesSparsePages: true, seed: turn)
    changes.blow()
    changes.check(with: &checks)
    var forks = try ForkStorm(roundCount: share(of: Self.forkCount), seed: turn)
    forks.blow()
    forks.check(with: &checks)
    var mappings = try KernelStorm(roundCount: share(of: Self.mappingCount), seed: turn)
    mappings.blow()
    mappings.check(with: &checks)
    try mappings.finish()
    var spaces = ActivationStorm(roundCount: share(of: Self.spaceCount), seed: turn)
    spaces.blow()
    spaces.check(with: &checks)
    if turn == losingTurn { _ = try Frame(allocating: PlainMemory()).relinquish() }
  }

  /// Lets all processors run 72 processes, and a program that forks while its threads
  /// write.
  private mutating func runPrograms() throws(TesseraError) {
    var programs = try ProcessRun()
    for number in 1...UInt64(2) { try programs.start(number) }
    programs.run()
    programs.check(with: &checks)
    guard Processors.count > 1 else { return }
    var threads = try ProcessRun()
    try threads.startThreads()
    threads.run()
    threads.checkEnds(with: &checks)
  }

  /// Checks all slots, the allocator and the kernel space, and that all frames are free again.
  private mutating func audit() {
    StormBalance.drain()
    lostFrameCount = balance.lostFrameCount
    checks.check(lostFrameCount == 0, "all frames are free again after the storms")
    checks.check(
      StormBalance.brokenInvariantCount == 0,
      "all invariants of slots, allocator and kernel space hold after the storms")
    auditCount += 1
  }

  /// Prints a line every five seconds.
  private mutating func reportProgress() {
    let seconds = watch.milliseconds / 1000
    guard seconds >= nextLine else { return }
    nextLine = seconds + 5
    console.write("  ")
    console.write(decimal: seconds, width: 6, grouped: true)
    console.write(" s  ")
    console.write(decimal: operationCount, width: 13, grouped: true)
    console.write(" operations  ")
    console.write(decimal: auditCount, width: 7, grouped: true)
    console.write(" audits  ")
    write(FrameAllocator.statistics.freeFrameCount, " frames free\n")
  }

  private mutating func finish() -> Never {
    let hasPassed = checks.failureCount == 0
    console.write("tessera: verdict: ")
    console.write(hasPassed ? "pass, " : "FAIL, ")
    write(operationCount, " operations in ")
    write(watch.milliseconds / 1000, " s, ")
    write(auditCount, " audits, ")
    write(lostFrameCount, lostFrameCount == 1 ? " frame lost\n" : " frames lost\n")
    (hasPassed ? ExitStatus.success : ExitStatus.failure).exit()
  }

  private mutating func write(_ count: UInt64, _ words: StaticString) {
    console.write(decimal: count, grouped: true)
    console.write(words)
  }
}
