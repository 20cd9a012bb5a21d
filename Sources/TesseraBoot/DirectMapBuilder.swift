internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// A direct map that is being built.
struct DirectMapBuilder {
  private(set) var result: DirectMap
  private let window: RawPageTables
  private let limit: PhysicalAddress
  /// The memory that is not writable.
  private let readOnly: Range<PhysicalAddress>

  /// The first mebibyte is shown whole and in small pages: its parts are of several memory types,
  /// which a large page must not span (Intel SDM Vol. 3A, "Large Page Size Considerations").
  static var lowEnd: PhysicalAddress { PhysicalAddress(0x10_0000) }

  /// Makes the root, with nothing but the kernel's image in it.
  init(
    at base: UInt64, readOnly: Range<PhysicalAddress>, from allocator: inout EarlyAllocator,
    in surroundings: DirectMap.Surroundings
  ) throws(FrameError) {
    window = surroundings.window
    limit = surroundings.limit
    self.readOnly = readOnly
    require(surroundings.root < limit, "the running root lies outside the window")
    let image = window.entry(at: 511, of: surroundings.root)
    require(image.isPresent, "the running root has no kernel image under its last entry")
    result = DirectMap(base: base)
    result.root = try makeTable(from: &allocator)
    window.set(image, at: 511, of: result.root)
  }

  /// Shows the bytes from `start` up to `end`, both multiples of 4 KiB.
  mutating func show(
    _ start: PhysicalAddress, upTo end: PhysicalAddress, upToSize largest: PageSize,
    from allocator: inout EarlyAllocator
  ) throws(FrameError) {
    var position = start
    while position < end {
      let size = largestSize(
        at: position, upTo: endOfRights(at: position, upTo: end), upToSize: largest)
      try put(position, size: size, from: &allocator)
      position = position + size.byteCount
    }
  }

  /// Where the rights change after `position`, or `end` if that comes first.
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

  /// Sets the leaf of the page of `size` that shows `address`, making the tables above it.
  private mutating func put(
    _ address: PhysicalAddress, size: PageSize, from allocator: inout EarlyAllocator
  ) throws(FrameError) {
    let virtual = VirtualAddress(result.base + address.rawValue)
    let leafLevel = PagingLevel(leafOf: size)
    var table = result.root
    var level = PagingMode.current.rootLevel
    while level > leafLevel {
      let index = virtual.index(at: level)
      var entry = window.entry(at: index, of: table)
      if !entry.isPresent {
        entry = .table(at: try makeTable(from: &allocator))
        window.set(entry, at: index, of: table)
      }
      table = entry.address
      level = level.below
    }
    let flags =
      PageTableEntry.present | PageTableEntry.global | PageTableEntry.noExecute
      | (readOnly.contains(address) ? 0 : PageTableEntry.writable)
    let leaf = PageTableEntry.leaf(at: address, size: size, flags: flags)
    window.set(leaf, at: virtual.index(at: leafLevel), of: table)
    count(size)
  }

  private mutating func makeTable(
    from allocator: inout EarlyAllocator
  ) throws(FrameError) -> PhysicalAddress {
    let table = try allocator.allocate(byteCount: PageSize.fourKiB.byteCount, below: limit)
    window.clear(table)
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
  /// Calls `body` for each run of working memory at or after `start`, of whatever kinds, as long as
  /// it gets.
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
