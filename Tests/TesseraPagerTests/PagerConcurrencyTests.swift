import Scenarios
import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Walks of several processors at once through what the pager pages: each is a thread that the
  /// others interrupt, and has a TLB of its own.
  @Suite("Pager, concurrency") struct PagerConcurrencyTests {
    private static var stepCount: Int { Seed.rounds(isOptimized ? 400 : 100, ofRange: 100) }

    @Test(.seeded(20_261_201), arguments: [2, 4], [false, true])
    func `programs read what was written while other processors share it and take it away`(
      processorCount: Int, isSlow: Bool
    ) throws {
      let notes = try PagerStorm.run(
        Self.stepCount, on: processorCount, isSlow: isSlow, SplitMix(seed: Seed.current))
      #expect(notes.problems == [])
      // Enough happened for it to mean something.
      for kind in PagerStormNotes.Kind.allCases where isSlow || kind != .wait {
        // No store fails here; and a few steps with each of many seeds may have none of the other.
        if kind == .failure || kind == .kernelRead && Seed.isRange { continue }
        #expect(notes.counts[kind, default: 0] > 0, "\(kind)")
      }
      if !Seed.isRange { print("tally: \(processorCount) processors page at once: \(notes)") }
    }

    @Test(.seeded(20_261_203))
    func `pages that a store failed to read are read later, by any processor`() throws {
      // A slow store finishes some transfers at once, too.
      let notes = try PagerStorm.run(
        Self.stepCount / 2, on: 4, isSlow: true, isFailing: true, SplitMix(seed: Seed.current))
      #expect(notes.problems == [])
      #expect(notes.counts[.failure, default: 0] > 0)
      if !Seed.isRange { print("tally: 4 processors page at once, stores fail: \(notes)") }
    }

    @Test(.seeded(20_261_202))
    func `without flushes of other processors, pages are seen to change`() throws {
      unsafe FlushSwitch.turnElsewhere(off: true)
      defer { unsafe FlushSwitch.turnElsewhere(off: false) }
      for round in 0..<20 as Range<UInt64> {
        let notes = try PagerStorm.run(
          300, on: 4, isSlow: false, SplitMix(seed: Seed.current &+ round << 32))
        if notes.problems.contains(where: { $0.contains(" has ") }) { return }
      }
      Issue.record("no page has changed")
    }
  }
}
