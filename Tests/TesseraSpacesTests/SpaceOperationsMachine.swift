import CTessera
import Scenarios
import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

/// The machine that a walk through spaces runs on.
enum SpaceOperationsMachine {
  /// The machine in use. Access: by the running test.
  nonisolated(unsafe) private static var current: SimulatedMachine?
  nonisolated(unsafe) private static var isWatched = false

  /// Runs a walk on a new machine, and checks that it leaks nothing.
  ///
  /// If `watched`, the machine models the TLBs of its processors and checks for stale translations.
  /// If `isSpoiled`, the walk contains a deliberate fault and leaks are expected. If `hasPool`, all
  /// memory comes from an external allocator, which must get it back. Processor
  /// `number` runs it, and is the only one that is started.
  static func walk(
    _ options: RandomSpaceOptions, watched: Bool, isSpoiled: Bool = false, hasPool: Bool = false,
    on number: Int = 0
  ) throws -> RandomSpaceOutcome {
    try run(options, watched: watched, isSpoiled: isSpoiled, hasPool: hasPool, on: number) {
      RandomSpaceOperations.run($0)
    }
  }

  /// Replays the steps in `words` on a new machine.
  static func replay(
    _ words: [UInt64], _ options: RandomSpaceOptions, watched: Bool,
    note: (Int, LoggedSpaceOperation) -> Void = { _, _ in }
  ) throws -> RandomSpaceOutcome {
    try run(options, watched: watched, isSpoiled: true) {
      RandomSpaceOperations.replay(words.span, $0, note: note)
    }
  }

  private static func run(
    _ options: RandomSpaceOptions, watched: Bool, isSpoiled: Bool, hasPool: Bool = false,
    on number: Int = 0, _ body: (RandomSpaceOptions) -> RandomSpaceOutcome
  ) throws -> RandomSpaceOutcome {
    // With many seeds, filling the memory of their machines takes longer than the walks.
    let machine = SimulatedMachine(
      frameCount: Seed.rounds(8192, ofRange: 4096), processorCount: number + 1, hasPool: hasPool)
    current = machine
    isWatched = watched
    defer { current = nil }
    return try asProcessor(number) {
      try machine.startKernelSpace()
      if watched { machine.mmu.options.setsAccessedAndDirty = true }
      var options = options
      options.machine = hooks
      let used = FrameAllocator.statistics.usedFrameCount
      let outcome = body(options)
      if outcome.problem == nil && !isSpoiled { checkLeaks(on: machine, used: used) }
      return outcome
    }
  }

  private static func checkLeaks(on machine: SimulatedMachine, used: UInt64) {
    #expect(FrameAllocator.statistics.usedFrameCount == used)
    if let pool = machine.pool {
      #expect(pool.outCount == used)
      print("the external allocator allocated \(pool.givenCount) frames; \(used) are in use")
    }
    #expect(machine.violations == [])
  }

  private static let hooks = RandomSpaceMachine(
    failAllocation: { simulated_fail_allocation(UInt64($0)) },
    translates: { SpaceOperationsMachine.maps($0, $1, $2) },
    isCoherent: { SpaceOperationsMachine.isCoherent })

  private static func maps(_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool {
    guard isWatched, let machine = current else { return true }
    let page = machine.mmu.translation(of: address, root: root)
    guard let page else { return physical == .max }
    return page.physicalAddress + (address - page.virtualAddress) == physical
  }

  private static var isCoherent: Bool {
    guard isWatched, let machine = current else { return true }
    let found = machine.mmu.incoherences(ignoringAccessed: true) + machine.mmu.violations
    for sentence in found { print(sentence) }
    return found.isEmpty
  }
}

/// A minimized trace of a failed walk: only the steps needed to reproduce the failure.
struct SpaceOperationTrace {
  private var words: [UInt64] = []
  private let options: RandomSpaceOptions
  private let isWatched: Bool
  private let problem: String

  init(of outcome: RandomSpaceOutcome, _ options: RandomSpaceOptions, watched: Bool) throws {
    self.options = options
    isWatched = watched
    problem = outcome.problem.map { "\($0)" } ?? ""
    var words: [UInt64] = []
    RandomSpaceOperations.forEachWord(
      ofEpisode: outcome.episodeSeed, stepCount: outcome.episodeStepCount
    ) { words.append($0) }
    self.words = words
    try shrink()
  }

  /// Removes as many steps as possible: first half of them at a time, at the end one.
  private mutating func shrink() throws {
    guard try fails(words) else { return }
    var length = max(1, words.count / 2)
    while true {
      var start = 0
      var hasChanged = false
      while start < words.count {
        var shorter = words
        shorter.removeSubrange(start..<min(start + length, words.count))
        if try fails(shorter) {
          words = shorter
          hasChanged = true
        } else {
          start += length
        }
      }
      if length == 1 && !hasChanged { return }
      length = max(1, length / 2)
    }
  }

  private func fails(_ words: [UInt64]) throws -> Bool {
    var options = options
    options.fullCheckInterval = 1
    return try SpaceOperationsMachine.replay(words, options, watched: isWatched).problem.map {
      "\($0)"
    }
      == problem
  }

  /// What the steps do, as a test that can be kept.
  var description: String {
    var lines = ["try SpaceOperationsMachine.expectReplay(["]
    var step = -1
    var options = options
    options.fullCheckInterval = 1
    let outcome = try? SpaceOperationsMachine.replay(words, options, watched: isWatched) {
      index, note in
      let word = index == step ? "" : "  0x\(String(words[index], radix: 16)),"
      step = index
      lines.append("\(word)  // \(describe(note))")
    }
    lines.append("])  // \(outcome?.problem.map { "\($0)" } ?? "does not differ again")")
    lines.append("// at 0x\(String(outcome?.address ?? 0, radix: 16)); first seen as: \(problem)")
    return lines.joined(separator: "\n")
  }

  private func describe(_ note: LoggedSpaceOperation) -> String {
    let start = String(note.start.rawValue, radix: 16)
    let end = String(note.start.rawValue + note.byteCount, radix: 16)
    return "\(note.name), space \(note.space), \(start)..<\(end), \(String(note.value, radix: 16))"
  }
}
