import CTessera
import Foundation
import Scenarios
import SimulatedMachine
import Synchronization
import Tessera
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Random walks of several processors at once through the same spaces. Each is a thread that the
  /// others interrupt, and has a TLB of its own.
  ///
  /// While they walk they only take notes. What each has found is compared afterwards with what was
  /// there, by the times of day. `TESSERA_SEED` and `TESSERA_RANDOM_OPERATIONS` in the environment
  /// select other walks; `TESSERA_RANDOM_SECONDS` is the time after which they end nevertheless.
  @Suite("Concurrent walks through spaces") struct SpaceConcurrencyTests {
    /// Whose TLBs the processors have.
    enum MMUs: Sendable, CaseIterable {
      /// Each caches what it has used, and is accessed by its processor alone.
      case lazy
      /// Each caches all that is reachable; they share a lock.
      case eager
      /// As `eager`, under process-context identifiers.
      case contexts
    }

    private static let environment = ProcessInfo.processInfo.environment

    /// The number of operations of one walk, of all its processors together.
    private static var operationCount: Int {
      environment["TESSERA_RANDOM_OPERATIONS"].flatMap { Int($0) }
        ?? Seed.rounds(isOptimized ? 200_000 : 4_000, ofRange: 2_000)
    }

    /// The operations after which the walk may end, if its time is limited.
    private static var longestEpisode: Int { seconds == nil ? .max : 2_500 }

    /// The seconds that one walk may take, of which there are six.
    private static let seconds =
      environment["TESSERA_RANDOM_SECONDS"].flatMap { Double($0) }.map { $0 / 9 }

    @Test(.seeded(20_261_129), arguments: [2, 4], MMUs.allCases)
    func `no processor uses a translation that is older than what a call has made or seen`(
      processorCount: Int, mmus: MMUs
    ) throws {
      let start = ContinuousClock.now
      var sum = ConcurrentOutcome()
      var episode: UInt64 = 0
      while sum.operationCount < Self.operationCount {
        if let seconds = Self.seconds, ContinuousClock.now - start > .seconds(seconds) { break }
        let outcome = try ConcurrentEpisode.run(
          seed: Seed.current &+ episode << 32, on: processorCount, mmus,
          atMost: min(Self.operationCount - sum.operationCount, Self.longestEpisode))
        #expect(outcome.problems == [])
        if !outcome.problems.isEmpty { break }
        sum.add(outcome)
        episode += 1
      }
      // Enough happened for it to mean something.
      #expect(sum.changeCount > sum.operationCount / 4 && sum.hitCount > sum.operationCount / 10)
      #expect(sum.interruptCount > sum.operationCount / 1000)
      if !Seed.isRange { print("tally: \(processorCount) processors at once, \(mmus): \(sum)") }
    }

    @Test(.seeded(20_261_129), arguments: [2, 4], MMUs.allCases)
    func `without flushes of other processors, stale translations are seen`(
      processorCount: Int, mmus: MMUs
    ) throws {
      unsafe FlushSwitch.turnElsewhere(off: true)
      defer { unsafe FlushSwitch.turnElsewhere(off: false) }
      var missing: Set = [
        "a read of page", mmus == .lazy ? "a write of page" : "was freed while processor",
      ]
      // Which of them a walk meets first is up to the threads, and only the first are noted.
      var staleUseCount = 0
      for episode in 0..<20 as Range<UInt64> where !missing.isEmpty || staleUseCount <= 10 {
        let outcome = try ConcurrentEpisode.run(
          seed: Seed.current &+ episode << 32, on: processorCount, mmus, atMost: 4000,
          hasStaleTranslations: true)
        staleUseCount += outcome.staleUseCount
        missing = missing.filter { words in !outcome.problems.contains { $0.contains(words) } }
      }
      #expect(missing == [] && staleUseCount > 10)
    }
  }
}

/// What a walk of several processors has found.
struct ConcurrentOutcome: CustomStringConvertible {
  var operationCount = 0
  var changeCount = 0
  var useCount = 0
  /// The number of uses that did not fault.
  var hitCount = 0
  /// The number of interrupts that threads have taken.
  var interruptCount = 0
  var staleUseCount = 0
  /// The first problems.
  var problems: [String] = []

  mutating func add(_ other: ConcurrentOutcome) {
    operationCount += other.operationCount
    changeCount += other.changeCount
    useCount += other.useCount
    hitCount += other.hitCount
    interruptCount += other.interruptCount
  }

  var description: String {
    """
    \(operationCount) operations, \(changeCount) changes of pages, \(useCount) uses of pages \
    (\(hitCount) without a fault), \(interruptCount) interrupts taken; 0 stale uses
    """
  }
}

/// A walk of several processors, on a machine of its own.
enum ConcurrentEpisode {
  /// The operations of all processors together: as many as can be noted.
  private static let longest = 40_000

  static func run(
    seed: UInt64, on processorCount: Int, _ mmus: OnSimulatedMachine.SpaceConcurrencyTests.MMUs,
    atMost limit: Int, hasStaleTranslations: Bool = false
  ) throws -> ConcurrentOutcome {
    SimulatedMachine.setFeatures(
      hasContextIdentifiers: mmus == .contexts, hasContextInvalidation: mmus == .contexts)
    defer { SimulatedMachine.setFeatures() }
    let machine = SimulatedMachine(frameCount: 2048, processorCount: processorCount)
    if mmus == .contexts { _ = machine.mmu }
    try machine.startKernelSpace()
    try machine.startProcessors()
    NodePool.drain()
    let used = FrameAllocator.statistics.usedFrameCount
    var outcome = ConcurrentOutcome()
    do {
      let spaces = try SharedSpaces(3)
      let memory = makeMemory(of: machine, mmus, hasStaleTranslations: hasStaleTranslations)
      let walks = (0..<processorCount).map {
        ConcurrentWalk($0, spaces, memory, SplitMix(seed: seed ^ UInt64($0 + 1) << 16))
      }
      let interrupts = InterruptCount()
      machine.onEveryProcessor { number in
        walks[number].run((min(limit, longest) + processorCount - 1) / processorCount)
        interrupts.addThoseOfThisThread()
      }
      compare(walks, &outcome)
      outcome.interruptCount = interrupts.value
      outcome.problems += spaces.problems
    }
    NodePool.drain()
    if mmus == .contexts && machine.mmu.statistics.keepingRootLoads == 0 {
      outcome.problems.append("no space was activated without a flush")
    }
    if FrameAllocator.statistics.usedFrameCount != used { outcome.problems.append("frames leaked") }
    outcome.problems += machine.violations
    return outcome
  }

  /// How processors access memory by the TLBs of `mmus`.
  private static func makeMemory(
    of machine: SimulatedMachine, _ mmus: OnSimulatedMachine.SpaceConcurrencyTests.MMUs,
    hasStaleTranslations: Bool
  ) -> ConcurrentWalk.Memory {
    switch mmus {
    case .eager, .contexts:
      let mmu = machine.mmu
      // A stale write would change what is not a page any more.
      return ConcurrentWalk.Memory(writes: !hasStaleTranslations) { page, isWrite, processor in
        do {
          while true {
            let stamp = try mmu.read(UInt64.self, at: page, on: processor)
            guard isWrite else { return stamp }
            try mmu.write(page, at: page + 8, on: processor)
            // Otherwise it may be another page that was written.
            if try mmu.read(UInt64.self, at: page, on: processor) == stamp { return stamp }
          }
        } catch { return 0 }
      }
    case .lazy:
      let mmu = LazyMMUs(of: machine, setsAccessedAndDirty: !hasStaleTranslations)
      return ConcurrentWalk.Memory(writes: true) { page, isWrite, processor in
        guard let address = mmu.use(page, isWrite: isWrite, on: processor) else { return 0 }
        let frame = PhysicalAddress(address)
        if !hasStaleTranslations { return ConcurrentWalk.stamp(of: frame).pointee }
        // A stale translation is a race, which the stamp has to show.
        // Ordering: relaxed; as for the store.
        return ConcurrentWalk.atomicStamp(of: frame).pointee.load(ordering: .relaxed)
      }
    }
  }

  private static func compare(_ walks: [ConcurrentWalk], _ outcome: inout ConcurrentOutcome) {
    let histories = PageHistories(walks.map { $0.history })
    let stale = histories.staleUses()
    outcome.operationCount = walks.reduce(0) { $0 + $1.operationCount }
    outcome.changeCount = histories.changeCount
    outcome.useCount = histories.useCount
    outcome.hitCount = histories.hitCount
    outcome.staleUseCount = stale.count
    outcome.problems = histories.problems + stale.prefix(20)
    for walk in walks where walk.errorCount > 0 {
      outcome.problems.append("\(walk.errorCount) operations failed")
    }
  }
}

/// The number of interrupts that threads have taken.
private final class InterruptCount: Sendable {
  private let count = Atomic<Int>(0)

  func addThoseOfThisThread() {
    let taken = simulated_current_processor().pointee.interrupts_taken
    // Ordering: relaxed, this and the next; read after the threads have ended.
    count.wrappingAdd(Int(taken), ordering: .relaxed)
  }

  // Ordering: see above.
  var value: Int { count.load(ordering: .relaxed) }
}
