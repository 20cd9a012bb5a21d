internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables
internal import TesseraSpaces

/// What a request to other processors costs, and a cursor, an activation and a page fault.
///
/// In cycles, or in instructions if the machine counts those. QEMU runs the processors in turn, and
/// its counter goes on: the cost of a request includes what others do until they have answered.
struct CostDemonstration {
  private static let roundCount: UInt64 = 50
  private static let page = Pages(at: 0x5000_0000)

  private var console = Console()
  private(set) var checks: Checks
  private let unit = TimestampUnit()
  /// What it costs to measure nothing.
  private var overhead: UInt64 = 0

  init(_ checks: Checks) { self.checks = checks }

  /// Measures, and prints the table.
  mutating func run() {
    console.write("tessera: costs in ")
    console.write(unit.name)
    console.write(", each the least of 50\n")
    do throws(TesseraError) {
      overhead = try least { () throws(TesseraError) in }
      let space = try VmSpace()
      let other = try VmSpace()
      try measure(space, other)
      try measureFaults()
    } catch {
      checks.check(false, "what is measured finds memory")
    }
    VmSpace.deactivate()
  }

  /// The cost of an allocation and a free, of an object in a slab that has another.
  private func costOfObject() throws(TesseraError) -> UInt64 {
    // SAFETY: the object is freed below.
    let other = unsafe try Heap.allocate(byteCount: 64)
    let cost = try least { () throws(TesseraError) in
      // SAFETY: the object is freed at once.
      unsafe Heap.free(try Heap.allocate(byteCount: 64))
    }
    // SAFETY: it is used no more.
    unsafe Heap.free(other)
    Heap.stop()
    return cost
  }

  private mutating func measure(
    _ space: borrowing VmSpace, _ other: borrowing VmSpace
  ) throws(TesseraError) {
    try mapPage(in: space)
    space.activate()
    write("object of 64 bytes, allocated and freed", try costOfObject())
    write("cursor over one page, opened and closed", try costOfCursor(in: space))
    write("activation of the space that is active", try least { space.activate() })
    let change = try least {
      other.activate()
    } after: {
      space.activate()
    }
    write("activation of another space", change)

    space.activate()
    let alone = try costOfProtection(of: space)
    let otherCount = Processors.count - 1
    if otherCount > 0 { try measureRequest(space, to: 1, alone) }
    if otherCount > 1 { try measureRequest(space, to: otherCount, alone) }
  }

  /// Measures a change of a page with `space` active on `count` other processors, of which it costs
  /// `alone` to change the page.
  private mutating func measureRequest(
    _ space: borrowing VmSpace, to count: Int, _ alone: UInt64
  ) throws(TesseraError) {
    SpaceActivation.set(space, onOthers: count)
    let before = FlushStatistics.requestCount
    let cost = try costOfProtection(of: space)
    let asked = FlushStatistics.requestCount - before
    SpaceActivation.set(space, onOthers: 0)
    checks.check(
      asked == UInt64(count) * Self.roundCount, "each change that is measured asks all others")
    console.write("  request to ")
    console.write(decimal: UInt64(count), width: 2)
    let words: StaticString =
      count == 1 ? " other processor, and its answer" : " other processors, and their answers"
    write(words, paddedTo: 41, cost - min(cost, alone))
  }
}

// Programs.
extension CostDemonstration {
  private mutating func measureFaults() throws(TesseraError) {
    var costs = try FaultCosts()
    write("system call of a program", unit.count(costs.measure(.systemCall, nil)))
    write("page fault of a program: reads zeros", unit.count(costs.measure(.read, .zeros)))
    try costs.renewPages()
    write("  writes a page of zeros", unit.count(costs.measure(.write, .zeroedFrame)))
    let copy = try costs.space.fork()
    write("  writes a page that a fork shares", unit.count(costs.measure(.write, .copy)))
    _ = consume copy
    // A copy that has gone leaves all pages with one owner, and without the right to write.
    _ = try costs.space.fork()
    write("  writes a page that a fork has left", unit.count(costs.measure(.write, .takeover)))
    checks.check(costs.isAsExpected, "a program that measures faults has those that it expects")
  }
}

extension CostDemonstration {
  private func costOfCursor(in space: borrowing VmSpace) throws(TesseraError) -> UInt64 {
    try least { () throws(TesseraError) in
      try space.withCursor(over: Self.page.range) { _ throws(TesseraError) in }
    }
  }

  /// The cost of making the page read-only, which requires a flush.
  private func costOfProtection(of space: borrowing VmSpace) throws(TesseraError) -> UInt64 {
    try least { () throws(TesseraError) in
      try protect(space, to: .read)
    } after: { () throws(TesseraError) in
      try protect(space, to: .readWrite)
    }
  }

  private func protect(_ space: borrowing VmSpace, to access: PageAccess) throws(TesseraError) {
    try space.withCursor(over: Self.page.range) { cursor throws(TesseraError) in
      try cursor.protect(Self.page.byteCount, to: access)
    }
  }

  private func mapPage(in space: borrowing VmSpace) throws(TesseraError) {
    var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
    try space.withCursor(over: Self.page.range) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: .userReadWrite)
    }
  }

  /// The least that a call of `body` takes, each after a call of `prepare`.
  private func least(
    _ body: () throws(TesseraError) -> Void,
    after prepare: () throws(TesseraError) -> Void = {}
  ) throws(TesseraError) -> UInt64 {
    var least = UInt64.max
    for _ in 0..<Self.roundCount {
      try prepare()
      let start = Processor.timestamp
      try body()
      least = min(least, unit.count(Processor.timestamp &- start))
    }
    return least - min(least, overhead)
  }

  private mutating func write(_ name: StaticString, _ cost: UInt64) {
    console.write("  ")
    write(name, paddedTo: 54, cost)
  }

  private mutating func write(_ words: StaticString, paddedTo width: Int, _ cost: UInt64) {
    console.write(words, paddedTo: width)
    console.write(decimal: cost, width: 10, grouped: true)
    console.writeLine()
  }
}
