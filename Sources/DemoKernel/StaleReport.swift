internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware
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
    console.write("tessera: stale translations after a change, of ")
    console.write(decimal: StaleDetector.roundCount)
    console.write(" rounds each   as it is   not flushed\n")
    // SAFETY: forbidden again below.
    unsafe UserAccess.setExecution(allowed: true, features)
    do throws(FrameError) {
      try write(StaleDetector())
    } catch {
      checks.check(false, "there is memory for the detector")
    }
    // SAFETY: as it was.
    unsafe UserAccess.setExecution(allowed: false, features)
    writeSum()
  }

  private mutating func write(_ detector: consuming StaleDetector) {
    do throws(Refusal) {
      for number in 0..<Change.count {
        guard let change = Change(rawValue: number) else { continue }
        try write(change, &detector)
      }
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
    console.write(" kinds of change; this machine shows what ")
    console.write(decimal: seenCount)
    console.write(" of them leave behind if nothing is flushed\n")
  }

  /// Whether the processor is QEMU's emulation, whose behaviour is known.
  private static var isEmulated: Bool {
    // "TCGTCGTCGTCG", where a hypervisor says its name.
    Processor.identification(leaf: 0x4000_0000).ebx == 0x5447_4354
  }
}
