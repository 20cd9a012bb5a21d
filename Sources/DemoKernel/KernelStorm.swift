internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Kernel memory that all processors map and unmap at once.
///
/// Some pages are shared: each has a word of its own, with which every frame is filled before it is
/// mapped there, so that all processors find the word, or fault. Others are mapped by one of them,
/// at addresses that Tessera chooses, and only that one uses them.
struct KernelStorm: ~Copyable {
  private static let sharedCount: UInt64 = 24
  /// An unused part of the kernel virtual area.
  private static var shared: UInt64 { KernelSpace.area.lowerBound.rawValue + (3 << 36) }

  private let roundCount: UInt64
  /// Whether each page table that is used stays until the end.
  private let keepsTables: Bool
  /// Selects the random numbers of all processors.
  private let seed: UInt64
  /// A page below all those that Tessera chooses.
  private let first: KernelMapping

  let mapped = StormCount()
  let unmapped = StormCount()
  let found = StormCount()
  let foreign = StormCount()
  let failed = StormCount()
  private let used = StormCount()

  /// A storm in which each processor changes kernel pages `roundCount` times. Throws `outOfFrames`.
  init(roundCount: UInt64, keepsTables: Bool = false, seed: UInt64 = 0) throws(TesseraError) {
    var segment: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
    let first = try KernelMapping(&segment)
    try Self.map(Self.neighbor)
    self.first = first
    self.roundCount = roundCount
    self.keepsTables = keepsTables
    self.seed = seed
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose counts are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: KernelStorm.self).pointee.takePart()
    }
  }

  /// Checks what must hold after the storm.
  func check(with checks: inout Checks) {
    checks.check(foreign.total == 0, "no read finds the content of other kernel memory")
    checks.check(failed.total == 0, "no kernel memory fails to be mapped")
  }

  private func takePart() {
    var random = RandomNumbers(seed: seed << 8 | UInt64(Processor.current))
    for round in 0..<roundCount {
      do throws(TesseraError) {
        if keepsTables || random.next(below: 2) == 0 {
          try changeShared(&random)
        } else {
          try useOwn(pageCount: 1 + random.next(below: 4), UInt64(Processor.current) << 32 | round)
        }
      } catch .alreadyMapped {
        // Another processor was faster, or this one earlier.
      } catch {
        failed.add()
      }
      for _ in 0..<4 { read(page(&random)) }
      used.add()
      used.waitForOthers(toAdd: 1)
    }
  }

  /// Unmaps what is left, with the page tables.
  ///
  /// A table that was emptied stays if another processor has just locked the one above it, until a
  /// range that includes it is unmapped.
  consuming func finish() throws(TesseraError) {
    // More than a table of tables spans, so that the cursor locks the one above that.
    let span = PageSize.oneGiB.byteCount
    try Self.unmap(Self.shared, 2 * span)
    let start = first.range.upperBound.rawValue
    let end = KernelSpace.area.upperBound.rawValue
    // Each processor uses four pages and a guard page in a round, at most.
    let byteCount = (roundCount + 1) * UInt64(Processors.count) * 5 << 12
    try Self.unmap(start, min(byteCount, end - start))
  }
}

extension KernelStorm {
  /// Maps or unmaps a page that all processors use.
  private func changeShared(_ random: inout RandomNumbers) throws(TesseraError) {
    let page = page(&random)
    if random.next(below: 2) == 0 {
      try Self.map(page)
      mapped.add()
    } else {
      unmapped.add(try Self.unmap(page, 4096) / 4096)
    }
  }

  /// Maps pages for this processor alone, fills them with `word`, reads them, and unmaps them.
  private func useOwn(pageCount: UInt64, _ word: UInt64) throws(TesseraError) {
    var segment: Segment<PlainMemory>? = try Segment(allocating: Int(pageCount)) { _ in
      PlainMemory()
    }
    let mapping = try KernelMapping(&segment)
    mapped.add(pageCount)
    for index in 0..<pageCount {
      let page = mapping.address.rawValue + index << 12
      // SAFETY: the page belongs to the mapping.
      let isWritten = unsafe MemoryProbe.write(word << 12, to: page)
      if !isWritten { foreign.add() }
    }
    Processor.pause()
    for index in 0..<pageCount {
      let content = MemoryProbe.read(mapping.address.rawValue + index << 12)
      if content == word << 12 { found.add() } else { foreign.add() }
    }
    unmapped.add(pageCount)
  }

  /// Reads `page`, and counts what is found there.
  private func read(_ page: UInt64) {
    guard let content = MemoryProbe.read(page) else { return }
    if content == Self.word(of: page) { found.add() } else { foreign.add() }
  }

  /// A shared page: in the table of the neighbor, or in a table of its own, which comes and goes.
  private func page(_ random: inout RandomNumbers) -> UInt64 {
    let index = random.next(below: Self.sharedCount)
    let hasOwnTable = !keepsTables && index % 4 == 0
    return Self.shared + index << (hasOwnTable ? 21 : 12)
  }

  private static var neighbor: UInt64 { shared + 511 << 12 }

  /// The word of a page; as an entry of a page table, it would not be present.
  private static func word(of page: UInt64) -> UInt64 { page &* 0x9e37_79b9_7f4a_7c15 }

  private static func map(_ page: UInt64) throws(TesseraError) {
    let new = try Frame(allocating: PlainMemory())
    new.fill(with: word(of: page))
    var frame: Frame<PlainMemory>? = consume new
    try KernelSpace.withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: .kernelReadWrite)
    }
  }

  /// Unmaps what is mapped in `byteCount` bytes from `start`. Returns the number of bytes it was.
  @discardableResult
  private static func unmap(
    _ start: UInt64, _ byteCount: UInt64
  ) throws(TesseraError) -> UInt64 {
    let pages = Pages(at: start, byteCount >> 12)
    return try KernelSpace.withCursor(overMapped: pages.range) { cursor throws(TesseraError) in
      try cursor.unmap(byteCount)
    }
  }
}
