internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraBoot
internal import TesseraHardware
internal import TesseraPageTables

/// The demonstration of user mode: programs in ring 3, on all processors, that use memory on
/// demand, fork, fault, and call the kernel with pointers of all kinds.
///
/// Each program counts what it does, and the kernel what it does for the programs; both must agree.
struct UserModeDemonstration {
  private var console = Console()
  private(set) var checks: Checks
  private let mistake: ProcessRun.Mistake

  /// The option `programs=` of the command line makes the kernel do something wrong.
  init(_ checks: Checks, _ commandLine: BootText<MappedBootMemory>) {
    self.checks = checks
    mistake =
      if commandLine.contains(option: "programs=no-copy") {
        .noCopy
      } else if commandLine.contains(option: "programs=no-flush") {
        .noFlush
      } else if commandLine.contains(option: "programs=miscount") {
        .miscount
      } else if commandLine.contains(option: "programs=crash") { .crash } else { .none }
  }

  /// Runs the programs. Every frame is free again afterwards.
  mutating func run() {
    StormBalance.drain()
    let balance = StormBalance()
    do throws(TesseraError) {
      try runPrograms()
      if Processors.count > 1 { try runThreads() }
    } catch { checks.check(false, "there is memory for programs") }
    StormBalance.drain()
    let lost = balance.lostFrameCount
    write("  ", lost, " frames lost\n")
    checks.check(lost == 0, "programs free every frame")
    checks.check(
      StormBalance.brokenInvariantCount == 0,
      "all invariants of slots and allocator hold after the programs")
  }

  /// The number of programs that are started from the image.
  private static var programCount: UInt64 { UInt64(min(8, max(2, Processors.count))) }

  private mutating func runPrograms() throws(TesseraError) {
    console.write("tessera: programs in user mode that fork, fault and call the kernel\n")
    let requests = FlushStatistics.requestCount
    let start = Processor.timestamp
    var run = try ProcessRun(mistake: mistake == .crash ? .none : mistake)
    for number in 0..<Self.programCount { try run.start(number) }
    run.run()
    let cycles = Processor.timestamp &- start
    write("  ", Self.programCount, " programs have forked to ")
    write("", run.counts.started.total, " processes, of which up to ")
    write("", UInt64(run.table.counts.highest), " existed at once; ")
    write("", cycles / max(1, run.counts.started.total), " cycles each\n")
    writeFailures(run)
    compare(run)
    run.check(with: &checks)
    write("  ", run.counts.sharedPages.total, " pages shared by forks, ")
    write("", run.counts.takenOver.total, " taken over by their last owner; ")
    write("", run.counts.spurious.total, " spurious faults; ")
    write("", FlushStatistics.requestCount - requests, " requests to flush\n")
  }

  private mutating func write(_ before: StaticString, _ count: UInt64, _ after: StaticString) {
    console.write(before)
    console.write(decimal: count, grouped: true)
    console.write(after)
  }
}

extension UserModeDemonstration {
  /// Prints both counts of all that is counted twice.
  private mutating func compare(_ run: borrowing ProcessRun) {
    console.write("  counted by                          the programs   the kernel\n")
    var console = console
    run.forEachCount { name, reported, counted in
      console.write("    ")
      console.write(name, paddedTo: 34)
      console.write(decimal: reported, width: 10, grouped: true)
      console.write(decimal: counted, width: 13, grouped: true)
      console.write(reported == counted ? "\n" : "  not the same\n")
    }
  }

  private mutating func writeFailures(_ run: borrowing ProcessRun) {
    guard run.reports.failures.total > 0 else { return }
    write(
      "  programs have failed ", run.reports.failures.total, " comparisons, the first in lines ")
    write("whose sum is ", run.reports.failedLines.total, "\n")
  }
}

// Threads.
extension UserModeDemonstration {
  /// Lets a program fork while its threads write, one on each other processor. Prints what its
  /// copies have seen, with requests to flush between processors and without.
  private mutating func runThreads() throws(TesseraError) {
    console.write("tessera: threads in user mode that write while their program forks\n")
    let requests = FlushStatistics.requestCount
    var run = try ProcessRun(
      mistake: mistake == .crash ? .crash : .none, isWithoutRequests: mistake == .noFlush)
    let threadCount = try run.startThreads()
    if mistake == .noFlush {
      try withoutRequests { () throws(TesseraError) in run.run() }
    } else {
      run.run()
    }
    write("  ", threadCount, threadCount == 1 ? " thread; " : " threads; ")
    write("", run.turns.total, " turns of 64 writes; ")
    write("", run.counts.forks.total, " forks; ")
    write("", run.counts.copied.total + run.counts.takenOver.total, " writes of shared pages; ")
    write("", FlushStatistics.requestCount - requests, " requests to flush\n")
    write("  ", run.reports.checks.total, " comparisons in copies and threads, ")
    write("", run.reports.failures.total, " failed")
    if StaleReport.isEmulated { try runTwin() }
    console.writeLine()
    run.checkEnds(with: &checks)
  }

  /// Proves that programs notice missing flushes.
  private mutating func runTwin() throws(TesseraError) {
    var twin = try ProcessRun(isWithoutRequests: true)
    try twin.startThreads()
    try withoutRequests { () throws(TesseraError) in twin.run() }
    write("; without requests, ", twin.reports.failures.total, " failed")
    checks.check(twin.reports.failures.total > 0, "programs notice missing flushes")
  }

  /// Calls `body` while no processor asks another one to flush. Everything is flushed afterwards.
  private func withoutRequests(
    _ body: () throws(TesseraError) -> Void
  ) throws(TesseraError) {
    // SAFETY: no cursor is open. A thread is the only one to write its page, and stays on its
    // processor, whose translation of the page is flushed when the page gets another frame; any
    // other process finds no translations when it gets to a processor. So no frame is written after
    // it was freed.
    unsafe FlushSwitch.turnElsewhere(off: true)
    var failure: TesseraError?
    do throws(TesseraError) { try body() } catch { failure = error }
    // SAFETY: as it was.
    unsafe FlushSwitch.turnElsewhere(off: false)
    StormBalance.flushEverywhere()
    if let failure { throw failure }
  }
}
