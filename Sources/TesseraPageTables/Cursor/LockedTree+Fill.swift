internal import TesseraHardware

// Filling a range with leaves or statuses of several sizes, in two steps: what can fail is done by
// `missingNodeCount` and the reservation that follows; `fill` cannot fail.

extension LockedTree {
  /// The number of nodes that are missing to fill the addresses from `start` up to `end`, if
  /// entries of level `largest` and below that lie wholly among them need no table.
  ///
  /// Throws `alreadyMapped` if any page is mapped.
  func missingNodeCount(
    from start: VirtualAddress, to end: VirtualAddress, wholeUpTo largest: PagingLevel
  ) throws(TesseraError) -> Int {
    var missing: UInt64 = 0
    var position = start
    let last = VirtualAddress(end.rawValue &- 1)
    while true {
      let node = lowestNode(at: position)
      let stop: VirtualAddress
      if node.level == .leafTable {
        stop = min(last, position.last(in: node.level.tableSpan))
        try node.requireVacant(from: position, to: stop)
      } else {
        stop = try node.requireNoLeaf(from: position, to: last)
        missing += NodeReservation.nodeCount(
          below: node.level, from: position, to: stop, wholeUpTo: largest)
      }
      if stop == last { return Int(missing) }
      position = stop.advanced(unchecked: 1)
    }
  }

  /// Fills the addresses from `start` up to `end`, which are vacant, with the largest entries that
  /// fit and are of level `largest` at most. Nodes that are missing come from `reservation`.
  ///
  /// `entry` returns each entry, given its level and its distance from `start`. Where there is a
  /// table already, its entries are filled.
  @inline(__always)
  func fill(
    from start: VirtualAddress, to end: VirtualAddress, wholeUpTo largest: PagingLevel,
    _ reservation: inout NodeReservation, with entry: (PagingLevel, UInt64) -> PageTableEntry
  ) {
    var position = start
    while position < end {
      let room = end.distance(from: position)
      var level = min(lowestNode(at: position).level, largest)
      while !position.isAligned(to: level.span) || room < level.span { level = level.below }
      let node = makeTable(at: position, level: level, from: &reservation)
      let first = node.index(of: position)
      let count = min(512 - first, Int(truncatingIfNeeded: room &>> level.shift))
      let distance = position.distance(from: start)
      let done = node.fill(count, from: first) { entry(level, distance &+ $0 &<< level.shift) }
      position = position.advanced(
        unchecked: UInt64(truncatingIfNeeded: done) &<< level.shift)
    }
  }

  /// Fills the addresses from `start` up to `end`, which are vacant, with the parts of `leaf` of
  /// `size`, from its first, and acquires a reference for each.
  @inline(__always)
  func fill(
    from start: VirtualAddress, to end: VirtualAddress, withPartsOf leaf: PageTableEntry,
    _ size: PageSize, wholeUpTo largest: PagingLevel, _ reservation: inout NodeReservation
  ) {
    var parts = LeafParts(of: leaf, size)
    fill(from: start, to: end, wholeUpTo: largest, &reservation) { level, distance in
      parts.next(of: level, at: distance)
    }
    // The caller's reference keeps the frame meanwhile.
    LeafOwnership.share(leaf, size: size, adding: parts.count)
  }
}

/// Makes leaves of the parts of a large leaf, and counts them.
private struct LeafParts {
  private let leaf: PageTableEntry
  private let size: PageSize
  /// What the parts of `level` have in common.
  private var template: LeafTemplate
  private var level: PagingLevel
  /// How many parts were made.
  private(set) var count: UInt64 = 0

  @inline(__always)
  init(of leaf: PageTableEntry, _ size: PageSize) {
    self.leaf = leaf
    self.size = size
    template = LeafTemplate(like: leaf, size, newSize: size)
    level = PagingLevel(leafOf: size)
  }

  /// The leaf of `level` that maps the part that lies `distance` bytes from the first.
  @inline(__always)
  mutating func next(of level: PagingLevel, at distance: UInt64) -> PageTableEntry {
    if level != self.level { change(to: level) }
    count &+= 1
    let memory = leaf.leafAddress(size: size).rawValue &+ distance
    return template.entry(at: PhysicalAddress(unchecked: memory))
  }

  private mutating func change(to level: PagingLevel) {
    guard let partSize = level.pageSize else { panic("leaf is above the level of 1 GiB pages") }
    template = LeafTemplate(like: leaf, size, newSize: partSize)
    self.level = level
  }
}

extension LockedTree {
  /// Stores `leaf` of 4 KiB at `address`, if its leaf table is there and the entry absent. Returns
  /// whether it did.
  @inline(__always)
  func putLeaf(_ leaf: PageTableEntry, at address: VirtualAddress) -> Bool {
    if coveringLevel == .leafTable { return covering.putIfAbsent(leaf, at: address) }
    return Self.putLeaf(leaf, at: address, below: coveringNode, coveringLevel)
  }

  /// Not a method, and not inlined: either would have the cursor copied.
  @inline(never)
  private static func putLeaf(
    _ leaf: PageTableEntry, at address: VirtualAddress, below covering: PageTableNode,
    _ level: PagingLevel
  ) -> Bool {
    // SAFETY: the caller holds the lock of the covering node.
    let node = unsafe LockedNode(holding: covering, level: level).descend(to: address)
    return node.level == .leafTable && node.putIfAbsent(leaf, at: address)
  }

  /// Stores the leaves of 4 KiB that `supply` returns from `start`, which is vacant, up to `end`
  /// or the end of the leaf table. Returns the number stored.
  @inline(__always)
  func putLeaves(
    from start: VirtualAddress, to end: VirtualAddress, _ reservation: inout NodeReservation,
    _ supply: () -> PageTableEntry
  ) -> Int {
    let node = makeTable(at: start, level: .leafTable, from: &reservation)
    let first = node.index(of: start)
    let count = min(512 - first, Int(end.distance(from: start) / PageSize.fourKiB.byteCount))
    node.put(count, from: first, supply)
    return count
  }
}

extension LockedNode {
  /// Stores `leaf` in the entry of `address`, if that is absent. Returns whether it did.
  @inline(__always)
  fileprivate func putIfAbsent(_ leaf: PageTableEntry, at address: VirtualAddress) -> Bool {
    let index = index(of: address)
    guard self[index].isAbsent else { return false }
    store(leaf, at: index)
    presentCount &+= 1
    return true
  }

  /// Throws `alreadyMapped` if a page from `first` to `last` is mapped. This is a leaf table.
  fileprivate func requireVacant(
    from first: VirtualAddress, to last: VirtualAddress
  ) throws(TesseraError) {
    if presentCount == 0 { return }
    let start = index(of: first)
    for index in start...index(of: last) where !self[index].isVacant {
      throw .alreadyMapped(
        first.advanced(unchecked: UInt64(index - start) * PageSize.fourKiB.byteCount))
    }
  }

  /// Throws `alreadyMapped` if an entry of this node above the leaf tables is a leaf, among those
  /// from `position` up to the first that refers to a table, or to that of `last`. The entry of
  /// `position` refers to none. Returns the last address that was checked.
  fileprivate func requireNoLeaf(
    from position: VirtualAddress, to last: VirtualAddress
  ) throws(TesseraError) -> VirtualAddress {
    let first = index(of: position)
    let start = position.alignedDown(to: level.span)
    let count = min(
      512 - first, Int(truncatingIfNeeded: last.distance(from: start) &>> level.shift) &+ 1)
    var place = first
    while place < first &+ count && !self[place].isTable {
      let distance = UInt64(truncatingIfNeeded: place &- first) &<< level.shift
      if self[place].isLeaf {
        throw .alreadyMapped(max(position, start.advanced(unchecked: distance)))
      }
      place &+= 1
    }
    let checked = UInt64(truncatingIfNeeded: place &- first) &<< level.shift
    return min(last, start.advanced(unchecked: checked &- 1))
  }
}

extension PagingLevel {
  /// The level of the largest leaf that can map `address`, or an address further on, to `target`
  /// or as far from it.
  init(largestLeafMapping address: VirtualAddress, to target: PhysicalAddress) {
    let difference = address.rawValue ^ target.rawValue
    let hasOneGiB = PagingMode.current.hasOneGiBPages
    if hasOneGiB && difference & (PageSize.oneGiB.byteCount - 1) == 0 {
      self.init(leafOf: .oneGiB)
    } else {
      let fitsTwoMiB = difference & (PageSize.twoMiB.byteCount - 1) == 0
      self.init(leafOf: fitsTwoMiB ? .twoMiB : .fourKiB)
    }
  }
}
