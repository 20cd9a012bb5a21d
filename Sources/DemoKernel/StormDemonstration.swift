internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A storm, and what must hold after it.
struct StormDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// The number of changes that all processors make together.
  private static let changeCount: UInt64 = 8000

  /// Lets all processors work on one space, with Tessera's flushes and without, and prints what
  /// they counted and what was lost.
  mutating func run() {
    drain()
    let before = FrameAllocator.statistics.freeFrameCount
    let start = Processor.timestamp
    do throws(TesseraError) {
      let storm = try blow(usesSparsePages: true)
      write(storm.result, cycles: Processor.timestamp &- start)
      check(storm.space)
      if StaleReport.isEmulated { try runWithoutFlushes() }
    } catch {
      checks.check(false, "the storm finds memory")
    }
    drain()
    let after = FrameAllocator.statistics.freeFrameCount
    write(before > after ? before - after : after - before, " frames lost\n")
    checks.check(before == after, "the storm loses no frame")
    checkFrames()
  }

  /// Lets all processors work on a new space, which is returned.
  private func blow(usesSparsePages: Bool) throws(TesseraError) -> Storm {
    var storm = try Storm(
      roundCount: Self.changeCount / UInt64(Processors.count), usesSparsePages: usesSparsePages)
    // SAFETY: the function is that of a storm, whose counts are atomic, as a space is.
    unsafe ProcessorTask.runOnAll(&storm) {
      unsafe $0.assumingMemoryBound(to: Storm.self).pointee.takePart()
    }
    return storm
  }

  /// Proves that the storm would notice missing flushes.
  ///
  /// No table is freed meanwhile, and the pages are only read: a frame that is in use elsewhere is
  /// never written by a stale translation.
  private mutating func runWithoutFlushes() throws(TesseraError) {
    // SAFETY: no cursor is open, and everything is flushed below.
    unsafe FlushSwitch.turn(off: true)
    let result: Storm.Result
    do throws(TesseraError) {
      result = try blow(usesSparsePages: false).result
    } catch {
      // SAFETY: as it was.
      unsafe FlushSwitch.turn(off: false)
      throw error
    }
    // SAFETY: as it was.
    unsafe FlushSwitch.turn(off: false)
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in Processor.invalidateAll(alsoGlobal: true) }
    console.write("  without flushes, ")
    write(result.foreign, " found another page's content; ")
    checks.check(result.foreign > 0, "the storm notices missing flushes")
  }

  /// Returns what each processor keeps to the allocator.
  private func drain() {
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in
      NodePool.drain()
      FrameAllocator.drainCache()
    }
  }

  private mutating func write(_ result: Storm.Result, cycles: UInt64) {
    console.write("tessera: all processors on the same pages of one space   ")
    write(Self.changeCount, " changes, ")
    write(cycles / Self.changeCount, " cycles each\n  ")
    write(result.mapped, " pages mapped, ")
    write(result.unmapped, " unmapped; ")
    write(result.found, " reads found the page's content, ")
    write(result.foreign, " another page's\n")
    checks.check(result.foreign == 0, "no read finds the content of another page")
    checks.check(result.failed == 0, "no change fails")
    checks.check(result.mapped > 0 && result.unmapped > 0 && result.found > 0, "the storm storms")
  }

  private mutating func write(_ count: UInt64, _ words: StaticString) {
    console.write(decimal: count, grouped: true)
    console.write(words)
  }

  private mutating func check(_ space: borrowing VmSpace) {
    var broken = 0
    space.checkInvariants { _, _, _ in broken += 1 }
    checks.check(broken == 0, "all invariants of the space hold after the storm")
  }

  private mutating func checkFrames() {
    var broken = 0
    FrameTable.checkInvariants { _, _ in broken += 1 }
    FrameAllocator.checkInvariants { _ in broken += 1 }
    checks.check(broken == 0, "all invariants of slots and allocator hold after the storm")
  }
}
