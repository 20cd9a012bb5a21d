internal import TesseraHardware
internal import TesseraPageTables

/// What the tables under a root map, in ranges of pages that differ in nothing but their addresses.
///
/// Takes no lock: what other processors change meanwhile may be shown or not.
struct PageTableDump {
  let root: PageTableNode
  /// The first address that is looked at, and the one after the last: zero for the top of all.
  let start: VirtualAddress
  let end: VirtualAddress

  /// A range, and what all its pages have in common.
  struct Run {
    let start: UInt64
    /// The address after the last page; zero at the top of all addresses.
    fileprivate(set) var end: UInt64
    let content: Content
    /// The physical address of the first page.
    let target: UInt64
    /// Whether the pages follow each other in physical memory as they do in the range.
    fileprivate(set) var isLinear = true

    var byteCount: UInt64 { end &- start }
  }

  enum Content: Equatable {
    /// The property without whether the pages are accessed and dirty, and without software bits.
    case pages(PageProperty, PageSize)
    case status(UInt32)
  }

  /// What was counted on the way.
  struct Totals {
    var runCount: UInt64 = 0
    var mappedByteCount: UInt64 = 0
    /// The tables that were read, the root among them.
    var tableCount: UInt64 = 1
  }

  /// Calls `body` for each range in ascending order.
  func forEachRun(_ body: (Run) -> Void) -> Totals {
    var totals = Totals()
    var current: Run?
    var position = start.rawValue
    repeat {
      let walk = TranslationTrace(of: VirtualAddress(position), from: root)
      totals.tableCount += walk.newTableCount
      let found = walk.run
      position = walk.end.rawValue
      if let found, current?.extend(by: found) == true { continue }
      if let current { body(current) }
      if let current { totals.add(current) }
      current = found
    } while position != end.rawValue
    if let current { body(current) }
    if let current { totals.add(current) }
    return totals
  }
}

extension PageTableDump.Run {
  /// Adds the pages of `next` if they continue the range. Says whether they do.
  fileprivate mutating func extend(by next: PageTableDump.Run) -> Bool {
    guard next.start == end, next.content == content else { return false }
    isLinear = isLinear && next.target == target &+ byteCount
    end = next.end
    return true
  }
}

extension PageTableDump.Totals {
  fileprivate mutating func add(_ run: PageTableDump.Run) {
    runCount += 1
    if case .pages = run.content { mappedByteCount += run.byteCount }
  }
}

extension TranslationTrace {
  /// What the last entry maps, or nil if that is nothing.
  fileprivate var run: PageTableDump.Run? {
    let entry = last
    let content: PageTableDump.Content
    var target: UInt64 = 0
    if entry.mapsPage(at: lowestLevel), let size = lowestLevel.pageSize {
      let property = entry.property(size: size).with(isAccessed: false, isDirty: false)
      content = .pages(property.with(software: 0), size)
      target = entry.leafAddress(size: size).rawValue
    } else if let status = entry.status {
      content = .status(status)
    } else {
      return nil
    }
    return PageTableDump.Run(
      start: address.rawValue & ~(lowestLevel.span &- 1), end: end.rawValue, content: content,
      target: target)
  }

  /// How many tables below the root begin at the address: those that a dump comes to first here.
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
