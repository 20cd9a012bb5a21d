internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The stale accesses after each kind of change, with Tessera's TLB flushes and without. The second
/// column proves that the zeros of the first are no coincidence.
struct StaleReport {
  private var console = Console()
  private(set) var checks: Checks
  private let accessor: Accessor
  private let features: ProcessorFeatures
  private var seenCount: UInt64 = 0

  /// A report of the accesses that `accessor` makes.
  init(_ accessor: Accessor, _ checks: Checks, _ features: ProcessorFeatures) {
    self.accessor = accessor
    self.checks = checks
    self.features = features
  }

  /// A task for each round of each kind is given to another processor many times.
  private var roundCount: UInt64 { accessor.isElsewhere ? 50 : 200 }

  /// Measures and prints the table, line by line.
  mutating func run() {
    writeTitle()
    NodePool.drain()
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    // SAFETY: forbidden again below.
    unsafe accessor.setExecution(allowed: true, features)
    do throws(TesseraError) {
      try write(StaleDetector(accessor, roundCount: roundCount))
    } catch {
      checks.check(false, "the detector finds memory")
    }
    // SAFETY: as it was.
    unsafe accessor.setExecution(allowed: false, features)
    NodePool.drain()
    FrameAllocator.drainCache()
    checks.check(
      FrameAllocator.statistics.freeFrameCount == before.freeFrameCount,
      "the detector frees every frame")
    writeSum()
  }

  private mutating func writeTitle() {
    console.write("tessera: stale accesses ")
    console.write(accessor.isElsewhere ? "of another processor, of " : "after a change, of ")
    console.write(decimal: roundCount)
    console.write(accessor.isElsewhere ? "     " : "          ")
    console.write("flushed   not flushed\n")
  }

  private mutating func write(_ detector: consuming StaleDetector) {
    do throws(TesseraError) {
      for number in 0..<Change.count {
        guard let change = Change(rawValue: number) else { continue }
        try write(change, &detector)
      }
      try detector.clearKernelScene()
    } catch {
      accessor.deactivate()
      checks.check(false, "no step of the detector fails")
    }
    checks.check(detector.failedRoundCount == 0, "each change has its effect")
  }

  private mutating func write(_ change: Change, _ detector: inout StaleDetector)
    throws(TesseraError)
  {
    console.write("  ")
    console.write(change.name, paddedTo: 56)
    let stale = try detector.staleCount(of: change, invalidating: true)
    console.write(decimal: stale, width: 8)
    let twin = try detector.staleCount(of: change, invalidating: false)
    console.write(decimal: twin, width: 14)
    // One stale access proves that the detector would see more. A real processor, and a faithful
    // emulator, may lose a translation at any time, so that not every round has one.
    let isSeen = twin > 0
    if isSeen {
      seenCount += 1
    } else {
      console.write("   not observable on this machine")
    }
    console.writeLine()
    checks.check(stale == 0, "no translation is stale after a change")
    let mustBeSeen = change.isObservableInEmulator && Self.isEmulated
    checks.check(
      twin == roundCount || !mustBeSeen,
      "the detector sees what is stale without invalidations")
  }

  private mutating func writeSum() {
    console.write("  ")
    console.write(decimal: UInt64(Change.count))
    if seenCount == 0 {
      console.write(" kinds of change, but there is no stale translation at all on this machine: ")
      console.write("it proves nothing; use ACCEL=tcg\n")
      return
    }
    console.write(" kinds of change; without a flush, ")
    console.write(decimal: seenCount)
    console.write(" leave stale translations on this machine\n  TLB: ")
    console.write(decimal: FlushStatistics.pageCount, grouped: true)
    console.write(" pages invalidated in ")
    console.write(decimal: FlushStatistics.flushCount, grouped: true)
    console.write(" flushes, and ")
    console.write(decimal: FlushStatistics.fullFlushCount, grouped: true)
    console.write(" full flushes\n")
  }

  /// Whether the processor is emulated by QEMU, which keeps a translation until it is flushed or
  /// evicted, so that every round must have a stale access.
  static var isEmulated: Bool {
    // "TCGTCGTCGTCG", where a hypervisor identifies itself.
    Processor.identification(leaf: 0x4000_0000).ebx == 0x5447_4354
  }
}
