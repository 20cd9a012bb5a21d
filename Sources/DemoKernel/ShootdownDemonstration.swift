internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// What it takes to unmap pages that other processors may have in their TLBs.
struct ShootdownDemonstration {
  private static let roundCount: UInt64 = 20
  private static let start: UInt64 = 0x3000_0000

  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Unmaps different numbers of pages with the space active on different processors, and prints
  /// how many were asked to flush, how many were skipped because they have nothing cached that is
  /// stale, or will flush it before they use the space again, and how long that took.
  mutating func run() {
    console.write("tessera: pages unmapped, for each change")
    console.write("  asked  skipped  interrupted    cycles\n")
    do throws(TesseraError) {
      let space = try VmSpace()
      // Keeps the leaf table, whose removal would be another change.
      try Self.map(Pages(at: Self.start + 511 * 4096), in: space)
      space.activate()
      try measure(pageCount: 1, in: space, others: 0)
      SpaceActivation.set(space, onOthers: 1)
      try measure(pageCount: 1, in: space, others: 1)
      SpaceActivation.set(space, onOthers: .max)
      let others = UInt64(Processors.count) - 1
      try measure(pageCount: 1, in: space, others: others)
      try measure(pageCount: 8, in: space, others: others)
      try measure(pageCount: 33, in: space, others: others)
      try measure(pageCount: 511, in: space, others: others)
      SpaceActivation.set(space, onOthers: 0)
      VmSpace.deactivate()
      try measureKernelPage(others: others)
    } catch {
      checks.check(false, "the shootdowns find memory")
    }
  }

  private mutating func measure(
    pageCount: UInt64, in space: borrowing VmSpace, others: UInt64
  ) throws(TesseraError) {
    let pages = Pages(at: Self.start, pageCount)
    var total = Cost()
    for _ in 0..<Self.roundCount {
      try Self.map(pages, in: space)
      let before = Cost.soFar
      try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
        try cursor.unmap(pages.byteCount)
      }
      total.add(since: before)
    }
    console.write("  ")
    console.write(decimal: pageCount, width: 3)
    console.write(pageCount == 1 ? " page, on " : " pages, on ")
    console.write(decimal: others)
    console.write(others == 1 ? " other processor " : " other processors")
    if pageCount == 1 { console.write(" ") }
    write(total, others: others)
  }

  private mutating func measureKernelPage(others: UInt64) throws(TesseraError) {
    var total = Cost()
    for _ in 0..<Self.roundCount {
      // The mappings are next to each other, so that one of the others keeps the page table.
      let below = try Self.mapKernelPage()
      let mapping = try Self.mapKernelPage()
      let above = try Self.mapKernelPage()
      let before = Cost.soFar
      _ = consume mapping
      total.add(since: before)
      _ = consume below
      _ = consume above
    }
    console.write("  kernel page, on all processors  ")
    write(total, others: others)
  }

  private static func mapKernelPage() throws(TesseraError) -> KernelMapping {
    var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
    return try KernelMapping(&frames)
  }

  private mutating func write(_ total: Cost, others: UInt64) {
    let all = UInt64(Processors.count) - 1
    console.write(decimal: total.requests / Self.roundCount, width: 13)
    console.write(decimal: all - min(all, total.requests / Self.roundCount), width: 9)
    console.write(decimal: total.interrupts / Self.roundCount, width: 13)
    console.write(decimal: total.cycles / Self.roundCount, width: 10, grouped: true)
    console.write("\n")
    checks.check(
      total.requests == others * Self.roundCount, "each processor is asked once for a change")
    checks.check(
      total.interrupts == total.requests, "each processor that is asked is interrupted once")
  }

  private static func map(_ pages: Pages, in space: borrowing VmSpace) throws(TesseraError) {
    var segment: Segment<PlainMemory>? = try Segment(
      allocating: Int(pages.byteCount / PageSize.fourKiB.byteCount)
    ) { _ in PlainMemory() }
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.map(&segment, as: .userReadWrite)
    }
  }
}

extension ShootdownDemonstration {
  /// What changes have cost.
  private struct Cost {
    var requests: UInt64 = 0
    var interrupts: UInt64 = 0
    var cycles: UInt64 = 0

    /// The counts since start-up.
    static var soFar: Cost {
      Cost(
        requests: FlushStatistics.requestCount, interrupts: FlushStatistics.interruptCount,
        cycles: Processor.timestamp)
    }

    mutating func add(since before: Cost) {
      let cycles = Processor.timestamp &- before.cycles
      let now = Cost.soFar
      requests += now.requests - before.requests
      interrupts += now.interrupts - before.interrupts
      self.cycles += cycles
    }
  }
}
