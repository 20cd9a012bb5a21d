internal import CBenchmarks
internal import TesseraSpaces

/// A loop that two processors run at once, each over operations of its own.
typealias PairLoop = @convention(c) (_ processor: Int, _ count: Int) -> Void

/// One of them, and the name of its row.
struct PairRow {
  let name: StaticString
  let loop: PairLoop

  init(_ name: StaticString, _ loop: PairLoop) {
    self.name = name
    self.loop = loop
  }
}

/// How much longer a processor takes for its work if another one works too.
///
/// A round is as long as the slower thread took, in time on its processor; alone, as the slower
/// processor took. Only those count in
/// which no thread was taken from its processor for a while: in others they did not run at once.
struct PairTimes {
  private var rows = [6 of PairRow?](repeating: nil)
  private var rowCount = 0
  /// Of each row, those of the first processor, those of the second, and those of both at once. The
  /// second is not the first again: it finds its caches full of what other programs did there.
  private var first = [6 of Samples](repeating: Samples())
  private var second = [6 of Samples](repeating: Samples())
  private var together = [6 of Samples](repeating: Samples())

  /// How many operations each processor does in a round.
  private let count: Int
  /// How many rounds of each row are wanted, and how many are tried.
  static var wantedRounds: Int { 61 }
  static var mostRounds: Int { 3_000 }

  init(operationCount: Int = 4096) { count = operationCount }

  /// Adds a loop to be run after the others.
  mutating func add(_ name: StaticString, _ loop: PairLoop) {
    rows[rowCount] = PairRow(name, loop)
    rowCount += 1
  }

  /// Measures the rows, each of which finds what the one before has left, and writes a line for
  /// each that has a name.
  mutating func measure() {
    for _ in 0..<Self.mostRounds where !isComplete {
      runAll(0, 1, &first)
      runAll(1, 1, &second)
      runAll(0, 2, &together)
    }
    for index in 0..<rowCount {
      guard let row = rows[index], hasSamples(1, index) else { continue }
      let alone = max(first[index].lowerQuartile, second[index].lowerQuartile)
      Report.write(pair: row.name, together[index].lowerQuartile, alone, count)
    }
  }

  private var isComplete: Bool {
    for index in 0..<rowCount where !hasSamples(Self.wantedRounds, index) { return false }
    return true
  }

  private func hasSamples(_ count: Int, _ index: Int) -> Bool {
    first[index].count >= count && second[index].count >= count && together[index].count >= count
  }

  /// Runs all rows on `processorCount` processors from `processor` on.
  private func runAll(
    _ processor: Int, _ processorCount: Int, _ samples: inout [6 of Samples]
  ) {
    for index in 0..<6 {
      guard let row = rows[index] else { continue }
      let duration = host_run_together(row.loop, processor, processorCount, count)
      if duration > 0 { samples[index].addIfRoom(duration) }
    }
  }
}

extension PairTimes {
  /// Measures all there is, if this computer has two processors.
  ///
  /// Neither runs on the space that they change: an unmapped page is in the TLB of no other
  /// processor, which would have to be asked. What that takes, the demo kernel measures, where
  /// interrupts are real.
  static func measureAll() {
    guard host_processor_count() > 1 else { return }
    VmSpace.deactivate()
    // SAFETY: the spaces that stay were made at the start.
    defer { unsafe Spaces.active.pointee.activate() }
    var apart = PairTimes()
    apart.add("two_apart", workApart)
    // Once to fill the processors' caches, which are full of other things.
    apart.add("", allocateAndFreeFewFrames)
    apart.add("two_alloc", allocateAndFreeFewFrames)
    apart.measure()
    var many = PairTimes()
    many.add("two_alloc_many", allocateAndFreeManyFrames)
    many.measure()
    PairSpace.holdTables(true)
    var pages = PairTimes()
    pages.add("", allocateFramesOfFirst)
    pages.add("", allocateFramesOfSecond)
    pages.add("two_map", mapOwnPages)
    pages.add("two_query", queryOwnPages)
    pages.add("two_protect", protectOwnPages)
    pages.add("two_unmap", unmapOwnPages)
    pages.measure()
    PairSpace.holdTables(false)
  }
}
