internal import TesseraHardware
internal import TesseraPageTables

/// What the tables under a root map, in ranges of pages that differ only in their addresses.
///
/// Takes no lock: changes by other processors meanwhile may be missed.
struct PageTableDump {
  let root: PageTableNode
  /// The first address, and the one after the last: zero at the top of the address space.
  let start: VirtualAddress
  let end: VirtualAddress
  /// The end of further addresses, which begin at zero and come first.
  var lowEnd = VirtualAddress(0)

  /// A range of pages, and what they have in common.
  struct Run {
    let start: UInt64
    /// The address after the last page; zero at the top of the address space.
    fileprivate(set) var end: UInt64
    let content: Content
    /// The physical address of the first page.
    let target: UInt64
    /// Whether the pages are contiguous in physical memory.
    fileprivate(set) var isLinear = true

    var byteCount: UInt64 { end &- start }
  }

  enum Content: Equatable {
    /// The property without accessed, dirty and software bits.
    case pages(PageProperty, PageSize)
    /// What pages that are not mapped have instead, without software bits.
    case vacant(PageContent)
  }

  /// Counts over all ranges.
  struct Totals {
    var runCount: UInt64 = 0
    var mappedByteCount: UInt64 = 0
    /// The number of tables read, including the root.
    var tableCount: UInt64 = 1
  }

  /// Calls `body` for each range in ascending order. Returns the totals.
  func forEachRun(_ body: (Run) -> Void) -> Totals {
    var totals = Totals()
    if lowEnd.rawValue > 0 { forEachRun(from: VirtualAddress(0), to: lowEnd, &totals, body) }
    forEachRun(from: start, to: end, &totals, body)
    return totals
  }

  /// Calls `body` for each range from `start` up to `end`, which differs from it. Adds to `totals`.
  private func forEachRun(
    from start: VirtualAddress, to end: VirtualAddress, _ totals: inout Totals,
    _ body: (Run) -> Void
  ) {
    var current: Run?
    var position = start.rawValue
    repeat {
      let trace = TranslationTrace(of: VirtualAddress(position), from: root)
      totals.tableCount += trace.newTableCount
      let found = trace.run
      position = trace.end.rawValue
      if let found, current?.extend(by: found) == true { continue }
      if let current { body(current) }
      if let current { totals.add(current) }
      current = found
    } while position != end.rawValue
    if let current { body(current) }
    if let current { totals.add(current) }
  }
}

extension PageTableDump.Run {
  /// Extends the range by the pages of `next`. Returns false if they do not continue it.
  fileprivate mutating func extend(by next: PageTableDump.Run) -> Bool {
    guard next.start == end, next.content == content else { return false }
    isLinear = isLinear && next.target == target &+ byteCount
    end = next.end
    return true
  }
}

extension PageContent {
  /// The content without the software bits of its property.
  fileprivate var withoutSoftware: PageContent {
    switch self {
    case .demandZero(let property): .demandZero(property.with(software: 0))
    case .pending(let payload, let property): .pending(payload, property.with(software: 0))
    case .swapped(let slot, let property): .swapped(slot, property.with(software: 0))
    case .object(let number, let property): .object(number, property.with(software: 0))
    case .absent, .status, .mapped: self
    }
  }
}

extension PageTableDump.Totals {
  fileprivate mutating func add(_ run: PageTableDump.Run) {
    runCount += 1
    if case .pages = run.content { mappedByteCount += run.byteCount }
  }
}

extension TranslationTrace {
  /// The pages that the last entry maps, or its status; nil if it is absent.
  fileprivate var run: PageTableDump.Run? {
    let entry = last
    let content: PageTableDump.Content
    var target: UInt64 = 0
    if entry.mapsPage(at: lowestLevel), let size = lowestLevel.pageSize {
      let property = entry.property(size: size).with(isAccessed: false, isDirty: false)
      content = .pages(property.with(software: 0), size)
      target = entry.leafAddress(size: size).rawValue
    } else if entry.isStatus {
      content = .vacant(entry.vacantContent.withoutSoftware)
    } else {
      return nil
    }
    return PageTableDump.Run(
      start: address.rawValue & ~(lowestLevel.span &- 1), end: end.rawValue, content: content,
      target: target)
  }

  /// The number of tables below the root that begin at the address: those that a dump in ascending
  /// order meets first here.
  fileprivate var newTableCount: UInt64 {
    var count: UInt64 = 0
    var level = lowestLevel
    while level < highestLevel {
      if address.isAligned(to: level.tableSpan) { count += 1 }
      level = level.above
    }
    return count
  }
}
