import SimulatedMachine
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Forks, faults and writes on several processors at once.
  @Suite("Forks, concurrency") struct ForkConcurrencyTests {
    @Test func `a copy does not change while other processors write to the original`() throws {
      let outcome = try ForkStorm.run(roundCount: isOptimized ? 500 : 100)
      #expect(outcome.problems == [])
      // Enough happened for it to mean something.
      for supply in [PageSupply.copy, .takeover, .zeroedFrame] {
        #expect(outcome.counts[supply, default: 0] > 100)
      }
    }

    @Test func `without flushes of other processors, a copy is seen to change`() throws {
      unsafe FlushSwitch.turnElsewhere(off: true)
      defer { unsafe FlushSwitch.turnElsewhere(off: false) }
      for _ in 0..<20 {
        let outcome = try ForkStorm.run(roundCount: 100)
        if outcome.problems.contains(where: { $0.contains("of a copy changes") }) { return }
      }
      Issue.record("no copy has changed")
    }
  }
}

/// Processors that write to pages of one space, each to its own, and fork it in turns.
private final class ForkStorm: @unchecked Sendable {
  private static let processorCount = 4
  private static let ownPageCount = 4
  private static var pageCount: Int { processorCount * ownPageCount }
  /// Which of the space's pages are used by forks alone.
  private static let freshPage = 32

  private let parent: VmSpace
  private let mmu: SimulatedMMU
  /// What each processor noted. Access: by that processor, and after all have finished.
  private let notes = (0..<processorCount).map { _ in Notes() }

  /// What processors noted.
  final class Notes {
    var problems: [String] = []
    var counts: [PageSupply: Int] = [:]
  }

  private init(on mmu: SimulatedMMU) throws {
    parent = try VmSpace()
    self.mmu = mmu
    try parent.withCursor(over: bytes(Self.address(0), 64 * 4096)) { cursor throws(TesseraError) in
      try cursor.setDemandZero(64 * 4096, as: .userReadWrite)
    }
  }

  /// Runs a storm on a new machine. Returns what all processors noted, and what is wrong
  /// afterwards.
  static func run(roundCount: Int) throws -> Notes {
    let machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: processorCount)
    let mmu = machine.mmu
    try machine.startKernelSpace()
    try machine.startProcessors()
    NodePool.drain()
    let used = FrameAllocator.statistics.usedFrameCount
    let outcome = Notes()
    do {
      let storm = try ForkStorm(on: mmu)
      machine.onEveryProcessor { number in storm.perform(roundCount, on: number) }
      for notes in storm.notes {
        outcome.problems += notes.problems
        outcome.counts.merge(notes.counts) { $0 + $1 }
      }
    }
    NodePool.drain()
    if FrameAllocator.statistics.usedFrameCount != used { outcome.problems.append("frames leaked") }
    outcome.problems += machine.violations
    return outcome
  }

  private static func address(_ page: Int, word: Int = 0) -> UInt64 {
    1 << 30 + UInt64(page) * 4096 + UInt64(word) * 8
  }
}

extension ForkStorm {
  private func perform(_ roundCount: Int, on number: Int) {
    for round in 1...roundCount {
      parent.activate()
      for page in 0..<Self.ownPageCount {
        write(UInt64(round), to: number * Self.ownPageCount + page, in: parent, on: number)
      }
      if round % Self.processorCount == number { fork(in: round, on: number) }
    }
    VmSpace.deactivate()
  }

  /// Forks the space, writes to the copy, and compares.
  private func fork(in round: Int, on number: Int) {
    guard let copy = try? parent.fork() else { return note("no memory for a fork", number) }
    let own = number * Self.ownPageCount..<(number + 1) * Self.ownPageCount
    let before = words(of: copy)
    for page in own where before[page] != UInt64(round) {
      note("page \(page) of a copy has \(before[page]) after round \(round)", number)
    }
    copy.activate()
    for page in 0..<Self.pageCount { write(~0, to: page, word: 1, in: copy, on: number) }
    write(~0, to: Self.freshPage + number, in: copy, on: number)
    parent.activate()
    for page in own {
      write(UInt64(round) << 32, to: page, in: parent, on: number)
      if value(page, word: 1, of: parent) != 0 {
        note("page \(page) has what was written to a copy", number)
      }
    }
    let after = words(of: copy)
    for page in 0..<Self.pageCount where after[page] != before[page] {
      note("page \(page) of a copy changes from \(before[page]) to \(after[page])", number)
    }
  }

  private func words(of space: borrowing VmSpace) -> [UInt64] {
    var words: [UInt64] = []
    for page in 0..<Self.pageCount { words.append(value(page, of: space)) }
    return words
  }

  private func value(_ page: Int, word: Int = 0, of space: borrowing VmSpace) -> UInt64 {
    space.load(UInt64.self, at: VirtualAddress(Self.address(page, word: word))) ?? .max
  }

  /// Writes `value`, as a program does whose kernel answers its faults.
  private func write(
    _ value: UInt64, to page: Int, word: Int = 0, in space: borrowing VmSpace, on number: Int
  ) {
    // Others may fork meanwhile, which takes the right to write away again.
    for _ in 0..<10_000 {
      do {
        return try mmu.write(value, at: Self.address(page, word: word), on: number)
      } catch .page(let address, let code) {
        let fault = TesseraFaults.PageFault(
          at: VirtualAddress(address), errorCode: UInt64(code.rawValue))
        guard case .resolved(let supply) = space.resolve(fault) else {
          return note("page \(page) is denied", number)
        }
        notes[number].counts[supply, default: 0] += 1
      } catch { return note("page \(page): \(error)", number) }
    }
    note("page \(page) faults for ever", number)
  }

  private func note(_ problem: String, _ number: Int) {
    notes[number].problems.append(problem)
  }
}
