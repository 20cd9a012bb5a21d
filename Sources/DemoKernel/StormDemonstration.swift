internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Storms, and what must hold after each.
struct StormDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// The number of changes, or of rounds, that all processors make together in a storm.
  private static let changeCount: UInt64 = 8000
  private static let forkCount: UInt64 = 2000
  private static let spaceCount: UInt64 = 800
  private static let mappingCount: UInt64 = 2000

  /// Lets all processors work on one space, fork one, activate and destroy spaces, and map kernel
  /// memory, with Tessera's flushes and without. Prints what they counted and what was lost.
  mutating func run() {
    runStorm { storms throws(TesseraError) in try storms.changeOneSpace() }
    runStorm { storms throws(TesseraError) in try storms.forkOneSpace() }
    runStorm { storms throws(TesseraError) in try storms.destroySpaces() }
    runStorm { storms throws(TesseraError) in try storms.mapKernelMemory() }
  }

  /// Calls `body`, and checks that no frame is lost in it and that all invariants hold after it.
  private mutating func runStorm(
    _ body: (inout StormDemonstration) throws(TesseraError) -> Void
  ) {
    StormBalance.drain()
    let balance = StormBalance()
    do throws(TesseraError) {
      try body(&self)
    } catch {
      checks.check(false, "the storm finds memory")
    }
    StormBalance.drain()
    let lost = balance.lostFrameCount
    write(lost, " frames lost\n")
    checks.check(lost == 0, "the storm loses no frame")
    checks.check(
      StormBalance.brokenInvariantCount == 0,
      "all invariants of slots and allocator hold after the storm")
  }

  /// Proves that `body`, which lets all processors work, notices missing flushes: no processor asks
  /// another for one meanwhile. Everything is flushed afterwards.
  ///
  /// Only on an emulated processor: a real one may find entries of a table in its caches that has
  /// been freed.
  private func withoutRequests(
    _ body: () throws(TesseraError) -> Void
  ) throws(TesseraError) {
    // SAFETY: no cursor is open, and everything is flushed below.
    unsafe FlushSwitch.turnElsewhere(off: true)
    var failure: TesseraError?
    do throws(TesseraError) { try body() } catch { failure = error }
    // SAFETY: as it was.
    unsafe FlushSwitch.turnElsewhere(off: false)
    StormBalance.flushEverywhere()
    if let failure { throw failure }
  }

  /// The number of rounds of each processor, of `count` for all.
  private func share(of count: UInt64) -> UInt64 { count / UInt64(Processors.count) }

  private mutating func begin(_ title: StaticString) -> UInt64 {
    console.write("tessera: ")
    console.write(title, paddedTo: 48)
    return Processor.timestamp
  }

  private mutating func end(_ start: UInt64, _ count: UInt64, _ unit: StaticString) {
    let cycles = Processor.timestamp &- start
    write(count, unit)
    write(cycles / max(1, count), " cycles each\n  ")
  }

  private mutating func write(_ count: UInt64, _ words: StaticString) {
    console.write(decimal: count, grouped: true)
    console.write(words)
  }
}

extension StormDemonstration {
  private mutating func changeOneSpace() throws(TesseraError) {
    let count = share(of: Self.changeCount)
    let start = begin("all processors on the same pages of one space")
    var storm = try Storm(roundCount: count, usesSparsePages: true)
    storm.blow()
    end(start, count * UInt64(Processors.count), " changes, ")
    write(storm.mapped.total, " pages mapped, ")
    write(storm.unmapped.total, " unmapped; ")
    write(storm.found.total, " reads found the page's content, ")
    write(storm.foreign.total, " another page's\n  ")
    let isStorm = storm.mapped.total > 0 && storm.unmapped.total > 0 && storm.found.total > 0
    checks.check(isStorm, "the storm storms")
    storm.check(with: &checks)
    guard StaleReport.isEmulated else { return }

    var twin = try Storm(roundCount: count, usesSparsePages: false)
    try withoutRequests { () throws(TesseraError) in twin.blow() }
    console.write("without flushes of others, ")
    write(twin.foreign.total, " found another page's content; ")
    checks.check(twin.foreign.total > 0, "the storm notices missing flushes")
  }

  private mutating func forkOneSpace() throws(TesseraError) {
    let count = share(of: Self.forkCount)
    let start = begin("all processors fork one space and change it")
    var storm = try ForkStorm(roundCount: count)
    storm.blow()
    end(start, count * UInt64(Processors.count), " rounds, ")
    write(storm.forked.total, " forks, ")
    write(storm.changed.total, " changes; ")
    write(storm.found.total, " reads found the page's content, ")
    write(storm.foreign.total, " another's\n  ")
    write(storm.noted.total, " writes; ")
    write(storm.overwritten.total, " while a page was write-protected or shared\n  ")
    let isStorm = storm.forked.total > 0 && storm.changed.total > 0 && storm.noted.total > 0
    checks.check(isStorm && storm.found.total > 0, "the storm of forks storms")
    storm.check(with: &checks)
    guard StaleReport.isEmulated else { return }

    var twin = try ForkStorm(roundCount: count, keepsFrames: true)
    try withoutRequests { () throws(TesseraError) in twin.blow() }
    console.write("without flushes of others, ")
    write(twin.overwritten.total, " such writes; ")
    checks.check(twin.overwritten.total > 0, "the storm of forks notices missing flushes")
  }

  private mutating func destroySpaces() throws(TesseraError) {
    let count = share(of: Self.spaceCount)
    let start = begin("all processors on spaces that others destroy")
    var storm = ActivationStorm(roundCount: count)
    storm.blow()
    end(start, storm.destroyed.total, " spaces, ")
    write(storm.destroyedInUse.total, " in use elsewhere when destroyed; ")
    write(storm.found.total, " reads found the space's content, ")
    write(storm.foreign.total, " another's\n  ")
    storm.check(with: &checks)
    let isStorm = storm.destroyedInUse.total > 0 && storm.activated.total > 0
    checks.check(isStorm && storm.found.total > 0, "spaces are destroyed that others run on")
    guard StaleReport.isEmulated else { return }

    var twin = ActivationStorm(roundCount: count)
    try withoutRequests { () throws(TesseraError) in twin.blow() }
    console.write("without flushes of others, ")
    write(twin.foreign.total, " found another's content; ")
    checks.check(twin.foreign.total > 0, "the storm of spaces notices missing flushes")
  }

  private mutating func mapKernelMemory() throws(TesseraError) {
    let count = share(of: Self.mappingCount)
    let start = begin("all processors map and unmap kernel memory")
    var storm = try KernelStorm(roundCount: count)
    storm.blow()
    end(start, count * UInt64(Processors.count), " rounds, ")
    write(storm.mapped.total, " pages mapped, ")
    write(storm.unmapped.total, " unmapped; ")
    write(storm.found.total, " reads found the page's content, ")
    write(storm.foreign.total, " another's\n  ")
    storm.check(with: &checks)
    let isStorm = storm.mapped.total > 0 && storm.unmapped.total > 0 && storm.found.total > 0
    checks.check(isStorm, "the storm of kernel memory storms")
    try storm.finish()
    guard StaleReport.isEmulated else { return }

    var twin = try KernelStorm(roundCount: count, keepsTables: true)
    try withoutRequests { () throws(TesseraError) in twin.blow() }
    console.write("without flushes of others, ")
    write(twin.foreign.total, " found another's content; ")
    checks.check(twin.foreign.total > 0, "the storm of kernel memory notices missing flushes")
    try twin.finish()
  }
}
