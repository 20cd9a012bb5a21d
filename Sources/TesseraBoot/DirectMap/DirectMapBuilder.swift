internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// A direct map under construction.
struct DirectMapBuilder {
  private(set) var result: DirectMap
  private let tables: RawPageTables
  private let limit: PhysicalAddress
  /// Memory that is mapped read-only.
  private let readOnly: Range<PhysicalAddress>

  /// The first mebibyte is mapped whole and by small pages: its parts have several memory types,
  /// which a large page must not span (Intel SDM Vol. 3A, "Large Page Size Considerations").
  static var lowEnd: PhysicalAddress { PhysicalAddress(0x10_0000) }

  /// Makes the root, which maps only what is kept of the running one.
  init(
    at base: UInt64, end: PhysicalAddress, readOnly: Range<PhysicalAddress>,
    from allocator: inout EarlyAllocator,
    running: DirectMap.RunningMapping
  ) throws(TesseraError) {
    tables = running.tables
    limit = running.limit
    self.readOnly = readOnly
    require(running.root < limit, "running root table is beyond the loader's mapping")
    result = DirectMap(base: base, end: end)
    result.root = try makeTable(from: &allocator)
    let kept = running.keptEntries
    for index in 0..<512 where kept.low.contains(index) || kept.high.contains(index) {
      tables.set(tables.entry(at: index, of: running.root), at: index, of: result.root)
    }
  }

  /// Maps the bytes from `start` up to `end`, both 4 KiB aligned.
  mutating func map(
    _ start: PhysicalAddress, upTo end: PhysicalAddress, upToSize largest: PageSize,
    from allocator: inout EarlyAllocator
  ) throws(TesseraError) {
    var position = start
    while position < end {
      let size = largestSize(
        at: position, upTo: endOfRights(at: position, upTo: end), upToSize: largest)
      try map(position, size: size, from: &allocator)
      position = position + size.byteCount
    }
  }

  /// The first address after `position` with other access rights, or `end` if that comes first.
  private func endOfRights(
    at position: PhysicalAddress, upTo end: PhysicalAddress
  ) -> PhysicalAddress {
    if readOnly.isEmpty { return end }
    if position < readOnly.lowerBound { return min(end, readOnly.lowerBound) }
    return position < readOnly.upperBound ? min(end, readOnly.upperBound) : end
  }

  /// The largest page, no larger than `largest`, that starts at `position` and ends by `end`.
  private func largestSize(
    at position: PhysicalAddress, upTo end: PhysicalAddress, upToSize largest: PageSize
  ) -> PageSize {
    let room = end.byteCount(from: position)
    if largest == .oneGiB && position.isAligned(to: .oneGiB) && room >= PageSize.oneGiB.byteCount {
      return .oneGiB
    }
    if largest != .fourKiB && position.isAligned(to: .twoMiB) && room >= PageSize.twoMiB.byteCount {
      return .twoMiB
    }
    return .fourKiB
  }

  /// Maps the page of `size` at `address`, and makes the tables above it.
  private mutating func map(
    _ address: PhysicalAddress, size: PageSize, from allocator: inout EarlyAllocator
  ) throws(TesseraError) {
    let virtual = VirtualAddress(result.base + address.rawValue)
    let leafLevel = PagingLevel(leafOf: size)
    var table = result.root
    var level = PagingMode.current.rootLevel
    while true {
      let place = tables.walk(to: virtual, from: table, at: level, downTo: leafLevel)
      if place.level == leafLevel {
        table = place.table
        break
      }
      table = try makeTable(from: &allocator)
      level = place.level.below
      tables.set(.table(at: table), at: virtual.index(at: place.level), of: place.table)
    }
    let flags =
      PageTableEntry.present | PageTableEntry.global | PageTableEntry.noExecute
      | (readOnly.contains(address) ? 0 : PageTableEntry.writable)
    let leaf = PageTableEntry.leaf(at: address, size: size, flags: flags)
    tables.set(leaf, at: virtual.index(at: leafLevel), of: table)
    count(size)
  }

  private mutating func makeTable(
    from allocator: inout EarlyAllocator
  ) throws(TesseraError) -> PhysicalAddress {
    let table = try allocator.allocate(byteCount: PageSize.fourKiB.byteCount, below: limit)
    tables.clear(table)
    result.tableCount += 1
    return table
  }

  private mutating func count(_ size: PageSize) {
    switch size {
    case .fourKiB: result.fourKiBCount += 1
    case .twoMiB: result.twoMiBCount += 1
    case .oneGiB: result.oneGiBCount += 1
    }
  }
}

extension MemoryMap {
  /// Calls `body` for each maximal run of working memory of any kinds at or after `start`.
  func forEachExtent(
    from start: PhysicalAddress, _ body: (PhysicalAddress, PhysicalAddress) -> Void
  ) {
    var extentStart = start
    var extentEnd = start
    forEachRegion { region in
      let part = region.clamped(from: start, to: .limit)
      if part.isEmpty || !part.kind.isMemory { return }
      if part.start != extentEnd {
        if extentStart < extentEnd { body(extentStart, extentEnd) }
        extentStart = part.start
      }
      extentEnd = part.end
    }
    if extentStart < extentEnd { body(extentStart, extentEnd) }
  }
}
