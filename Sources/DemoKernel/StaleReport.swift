internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The detector's table: what is stale after each kind of change, with Tessera's invalidations and
/// without. The second column shows that the first would not be zero by chance.
struct StaleReport {
  private var console = Console()
  private(set) var checks: Checks
  private let features: ProcessorFeatures
  private var seenCount: UInt64 = 0

  init(_ checks: Checks, _ features: ProcessorFeatures) {
    self.checks = checks
    self.features = features
  }

  /// Fills in the table and prints it, line by line.
  mutating func run() {
    console.write("tessera: stale accesses right after a change, of ")
    console.write(decimal: StaleDetector.roundCount)
    console.write("     as it is   not flushed\n")
    NodePool.drain()
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    // SAFETY: forbidden again below.
    unsafe UserAccess.setExecution(allowed: true, features)
    do throws(FrameError) {
      try write(StaleDetector())
    } catch {
      checks.check(false, "there is memory for the detector")
    }
    // SAFETY: as it was.
    unsafe UserAccess.setExecution(allowed: false, features)
    NodePool.drain()
    FrameAllocator.drainCache()
    checks.check(
      FrameAllocator.statistics.freeFrameCount == before.freeFrameCount,
      "the detector gives back every frame")
    writeSum()
  }

  private mutating func write(_ detector: consuming StaleDetector) {
    do throws(Refusal) {
      for number in 0..<Change.count {
        guard let change = Change(rawValue: number) else { continue }
        try write(change, &detector)
      }
      try detector.clearKernelScene()
    } catch {
      VmSpace.deactivate()
      checks.check(false, "no step of the detector is refused")
    }
    checks.check(detector.brokenRounds == 0, "each change has the effect that it should have")
  }

  private mutating func write(_ change: Change, _ detector: inout StaleDetector) throws(Refusal) {
    console.write("  ")
    console.write(change.name, paddedTo: 56)
    let stale = try detector.staleCount(of: change, invalidating: true)
    console.write(decimal: stale, width: 8)
    let twin = try detector.staleCount(of: change, invalidating: false)
    console.write(decimal: twin, width: 14)
    let isSeen = twin == StaleDetector.roundCount
    if isSeen {
      seenCount += 1
    } else {
      console.write("   not seen by this machine")
    }
    console.writeLine()
    checks.check(stale == 0, "no translation is stale after a change")
    let mustBeSeen = change.isSeenByEmulator && Self.isEmulated
    checks.check(isSeen || !mustBeSeen, "the detector sees what is stale without invalidations")
  }

  private mutating func writeSum() {
    console.write("  ")
    console.write(decimal: UInt64(Change.count))
    if seenCount == 0 {
      console.write(" kinds of change, but this machine shows no stale translation at all: ")
      console.write("it proves nothing; use ACCEL=tcg\n")
      return
    }
    console.write(" kinds of change; not flushed, ")
    console.write(decimal: seenCount)
    console.write(" of them leave something behind that this machine shows\n  invalidated: ")
    console.write(decimal: FlushStatistics.pageCount, grouped: true)
    console.write(" pages in ")
    console.write(decimal: FlushStatistics.flushCount, grouped: true)
    console.write(" flushes, and ")
    console.write(decimal: FlushStatistics.fullFlushCount, grouped: true)
    console.write(" times everything\n")
  }

  /// Whether the processor is QEMU's emulation, whose behaviour is known.
  private static var isEmulated: Bool {
    // "TCGTCGTCGTCG", where a hypervisor says its name.
    Processor.identification(leaf: 0x4000_0000).ebx == 0x5447_4354
  }
}
