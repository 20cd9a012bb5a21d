internal import TesseraFrames
package import TesseraHardware

extension CursorState {
  /// Maps what `template` makes of `address` at the position, as a page of `size`, and moves past
  /// it.
  ///
  /// The count that a counted template promises is the caller's until this returns, and the entry's
  /// afterwards. Throws `alreadyMapped` if the page or a part of it is mapped, and `outOfFrames`.
  /// Traps if the position is not aligned to `size` or fewer bytes are left.
  @inline(__always)
  package mutating func map(
    _ address: PhysicalAddress, _ template: PageTableEntry.Template, size: PageSize
  ) throws(MapError) {
    requireInside(size.byteCount)
    let position = self.address
    require(position & (size.byteCount - 1) == 0, "a page is mapped at a multiple of its size")
    let level = PagingLevel(leafOf: size)
    var (node, current) = descend(to: position, level: level)
    if current != level || !node[index(position, level)].isVacant {
      (node, current) = try prepare(position, from: node, at: current, downTo: level)
    }
    node.put(template.entry(at: address), at: index(position, level))
    offset &+= size.byteCount
  }

  /// Maps the memory from `address` on at the position, `byteCount` bytes in pages of 4 KiB, and
  /// moves past it. As for one page, of which each of `byteCount / 4096` frames has one count to
  /// give.
  package mutating func mapRange(
    _ address: PhysicalAddress, byteCount: UInt64, _ template: PageTableEntry.Template
  ) throws(MapError) {
    requireInside(byteCount)
    let end = offset + byteCount
    var reservation = try prepareNodes(byteCount)
    var target = address
    while offset < end {
      let node = makeTable(at: self.address, level: .leafTable, from: &reservation)
      let first = index(self.address, .leafTable)
      let count = min(512 - first, Int((end - offset) / PageSize.fourKiB.byteCount))
      node.put(count, from: first) {
        let entry = template.entry(at: target)
        target = PhysicalAddress(unchecked: target.rawValue &+ PageSize.fourKiB.byteCount)
        return entry
      }
      offset += UInt64(count) * PageSize.fourKiB.byteCount
    }
  }

  /// Maps `byteCount / 4096` frames at the position, each at the address that `supply` returns
  /// next, and moves past them. As for one page; if this throws, nothing was asked of `supply`.
  @inline(__always)
  package mutating func mapEach(
    _ byteCount: UInt64, _ template: PageTableEntry.Template, _ supply: () -> PhysicalAddress
  ) throws(MapError) {
    requireInside(byteCount)
    let end = offset + byteCount
    var reservation = try prepareNodes(byteCount)
    while offset < end {
      let node = makeTable(at: self.address, level: .leafTable, from: &reservation)
      let first = index(self.address, .leafTable)
      let count = min(512 - first, Int((end - offset) / PageSize.fourKiB.byteCount))
      node.put(count, from: first) { template.entry(at: supply()) }
      offset += UInt64(count) * PageSize.fourKiB.byteCount
    }
  }

  /// Maps device memory, or memory that is not counted, from `address` on at the position, in the
  /// largest pages that fit, and moves past it. As for one page.
  package mutating func mapLargest(
    _ address: PhysicalAddress, byteCount: UInt64, _ property: PageProperty
  ) throws(MapError) {
    requireInside(byteCount)
    try requireVacant(byteCount)
    let start = offset
    let end = offset + byteCount
    var reservation = try obtain(nodeBound(byteCount, congruence: self.address ^ address.rawValue))
    while offset < end {
      let target = PhysicalAddress(unchecked: address.rawValue &+ (offset - start))
      let size = largestSize(self.address, target, end - offset)
      let level = PagingLevel(leafOf: size)
      let template = PageTableEntry.Template(property, size: size, isCounted: false)
      let node = makeTable(at: self.address, level: level, from: &reservation)
      node.put(template.entry(at: target), at: index(self.address, level))
      offset += size.byteCount
    }
  }
}

extension CursorState {
  @inline(__always)
  func index(_ address: UInt64, _ level: PagingLevel) -> Int {
    VirtualAddress(address).index(at: level)
  }

  /// The largest page that can show `target` at `address` and is not longer than `byteCount`.
  private func largestSize(
    _ address: UInt64, _ target: PhysicalAddress, _ byteCount: UInt64
  ) -> PageSize {
    // Where there is a table already, a leaf goes below it.
    let lowest = descend(to: address, level: .leafTable).1
    let alignment = address | target.rawValue
    if PagingMode.current.hasOneGiBPages && alignment & (PageSize.oneGiB.byteCount - 1) == 0
      && byteCount >= PageSize.oneGiB.byteCount
      && lowest >= PagingLevel(leafOf: .oneGiB)
    {
      return .oneGiB
    }
    if alignment & (PageSize.twoMiB.byteCount - 1) == 0
      && byteCount >= PageSize.twoMiB.byteCount
      && lowest >= PagingLevel(leafOf: .twoMiB)
    {
      return .twoMiB
    }
    return .fourKiB
  }

  /// The node of `level` for the page at `position`, with the nodes above it that were missing.
  ///
  /// `node` of `current` is the lowest there is. Throws before anything has changed.
  @inline(never)
  private mutating func prepare(
    _ position: UInt64, from node: PageTableNode, at current: PagingLevel,
    downTo level: PagingLevel
  ) throws(MapError) -> (PageTableNode, PagingLevel) {
    guard current.number >= level.number else {
      panic("a page is larger than the range that its cursor has locked")
    }
    let entry = node[index(position, current)]
    if entry.isLeaf || (entry.isTable && current == level) {
      throw .alreadyMapped(VirtualAddress(position))
    }
    var reservation = try obtain(current.number - level.number)
    return (makeTable(at: position, level: level, from: &reservation), level)
  }

  /// Gets the nodes that are missing for leaves of 4 KiB in the next `byteCount` bytes.
  ///
  /// Throws `alreadyMapped` if any of them is mapped, and `outOfFrames`.
  mutating func prepareNodes(
    _ byteCount: UInt64
  ) throws(MapError) -> NodeReservation {
    let level = PagingLevel.leafTable
    var missing: UInt64 = 0
    var position = address
    let last = position &+ (byteCount &- 1)
    while true {
      let (node, current) = descend(to: position, level: level)
      let stop: UInt64
      if current == level {
        stop = min(last, position | (level.tableSpan &- 1))
        try node.requireVacant(from: index(position, level), to: index(stop, level), at: position)
      } else {
        stop = min(last, position | (current.span &- 1))
        if node[index(position, current)].isLeaf {
          throw .alreadyMapped(VirtualAddress(position))
        }
        missing += NodeReservation.nodeCount(
          below: current, from: position, to: stop)
      }
      if stop == last { break }
      position = stop &+ 1
    }
    return try obtain(Int(missing))
  }

  /// Throws `alreadyMapped` if any of the next `byteCount` bytes is mapped.
  func requireVacant(_ byteCount: UInt64) throws(MapError) {
    var position = address
    let last = position &+ (byteCount &- 1)
    while true {
      let (node, level) = descend(to: position, level: .leafTable)
      if node[index(position, level)].isLeaf { throw .alreadyMapped(VirtualAddress(position)) }
      let stop = position | (level.span &- 1)
      if stop >= last { return }
      position = stop &+ 1
    }
  }

  /// As many nodes as mapping the next `byteCount` bytes in the largest pages can need, where
  /// `congruence` has a bit set wherever virtual and physical address differ.
  ///
  /// Small pages are needed at both ends only, unless the addresses differ in how far they are from
  /// a multiple of a larger page.
  private func nodeBound(_ byteCount: UInt64, congruence: UInt64) -> Int {
    var level = PagingLevel.leafTable
    while level.number < 3, congruence & (level.above.span &- 1) == 0,
      PagingMode.current.hasPages(of: level.above.pageSize ?? .oneGiB)
    {
      level = level.above
    }
    let last = address &+ (byteCount &- 1)
    var count = 2 * (level.number - 1)
    var parent = coveringLevel
    while parent > level {
      count += Int((last >> parent.shift) - (address >> parent.shift)) + 1
      parent = parent.below
    }
    return count
  }

  /// `count` nodes, from those that were reserved at the start as far as they go. Throws
  /// `outOfFrames`.
  mutating func obtain(_ count: Int) throws(MapError) -> NodeReservation {
    try NodeReservation(count, from: &reserve)
  }

  /// The node of `level` that spans `position`, made from the reservation where it is missing.
  func makeTable(
    at position: UInt64, level: PagingLevel, from reservation: inout NodeReservation
  ) -> PageTableNode {
    var (node, current) = descend(to: position, level: level)
    while current > level {
      let child = reservation.take(for: current.below)
      let place = index(position, current)
      let old = node[place]
      if old.isStatus { child.fill(with: old) }
      // The child is locked and complete before anyone can find it, and stays locked by this
      // cursor.
      node.put(.table(at: child.address, isUser: !isKernel), at: place)
      node = child
      current = current.below
    }
    return node
  }
}

extension PageTableNode {
  /// Stores `entry` in the vacant place at `index`, which then counts. Under the lock.
  @inline(__always)
  func put(_ entry: PageTableEntry, at index: Int) {
    let wasAbsent = self[index].isAbsent
    store(entry, at: index)
    if wasAbsent { presentCount += 1 }
  }

  /// Stores the next `count` entries that `supply` returns in the vacant places from `first` on.
  /// Under the lock.
  @inline(__always)
  func put(_ count: Int, from first: Int, _ supply: () -> PageTableEntry) {
    require(first >= 0 && first < 512 && count <= 512 - first, "a page-table node has 512 entries")
    presentCount += absentCount(from: first, count)
    for index in first..<first + count { store(supply(), at: index) }
  }

  /// How many of the `count` entries from `first` on are absent. Under the lock.
  @inline(__always)
  private func absentCount(from first: Int, _ count: Int) -> Int {
    if presentCount == 0 { return count }
    var absent = 0
    for index in first..<first + count where self[index].isAbsent { absent += 1 }
    return absent
  }

  /// Throws `alreadyMapped` if an entry from `first` to `last` is; `position` is the address of the
  /// first. This is a node of leaves of 4 KiB.
  func requireVacant(from first: Int, to last: Int, at position: UInt64) throws(MapError) {
    if presentCount == 0 { return }
    for index in first...last where !self[index].isVacant {
      throw .alreadyMapped(
        VirtualAddress(position &+ UInt64(index - first) * PageSize.fourKiB.byteCount))
    }
  }

  /// Stores `status` everywhere in a node that nobody else has yet.
  func fill(with status: PageTableEntry) {
    for index in 0..<512 { store(status, at: index) }
    presentCount = 512
  }

  /// Makes a reserved node one of `level`.
  func prepare(_ level: PagingLevel) {
    next = nil
    setLevel(level)
  }
}

extension PageTableEntry {
  /// Whether nothing is mapped here: a status may be.
  @inline(__always)
  var isVacant: Bool { !isLeaf && !isTable }
}
