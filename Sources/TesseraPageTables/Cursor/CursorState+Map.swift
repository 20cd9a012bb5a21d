internal import TesseraFrames
package import TesseraHardware

extension CursorState {
  /// Maps the frame of 4 KiB at `address` at the position, and moves past it, if it is for a
  /// program, and its table is there and has nothing at its place. Says whether it did.
  ///
  /// The count that the entry then owns was the caller's. The short form of `map`, which does what
  /// this does not.
  @inline(__always)
  package mutating func put(_ address: PhysicalAddress, _ property: PageProperty) -> Bool {
    guard !isAtEnd, property.isUser, !isKernel else { return false }
    let isLeafTable = coveringLevel == .leafTable
    guard let node = isLeafTable ? covering : Self.leafTable(covering, coveringLevel, self.address)
    else { return false }
    let index = index(self.address, .leafTable)
    guard node[index].isAbsent else { return false }
    let template = LeafTemplate(property, size: .fourKiB, ownsFrame: true)
    node.store(template.entry(at: address), at: index)
    node.presentCount &+= 1
    offset &+= PageSize.fourKiB.byteCount
    return true
  }

  /// Maps what `template` makes of `address` at the position, as a page of `size`, and moves past
  /// it.
  ///
  /// The count that a counted template promises is the caller's until this returns, and the entry's
  /// afterwards. Throws `alreadyMapped` if the page or a part of it is mapped, and `outOfFrames`.
  /// Traps if the position is not aligned to `size` or fewer bytes are left.
  package mutating func map(
    _ address: PhysicalAddress, _ template: LeafTemplate, size: PageSize
  ) throws(MapError) {
    requireInside(size.byteCount)
    let position = self.address
    require(position & (size.byteCount - 1) == 0, "a page is mapped at a multiple of its size")
    let level = PagingLevel(leafOf: size)
    let (node, current) = descend(to: position, level: level)
    guard current == level && node[index(position, level)].isVacant else {
      return try map(template.entry(at: address), size, under: node, current)
    }
    node.put(template.entry(at: address), at: index(position, level))
    offset &+= size.byteCount
  }

  /// Maps the memory from `address` on at the position, `byteCount` bytes in pages of 4 KiB, and
  /// moves past it. As for one page, of which each of `byteCount / 4096` frames has one count to
  /// give.
  package mutating func mapRange(
    _ address: PhysicalAddress, byteCount: UInt64, _ template: LeafTemplate
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
    _ byteCount: UInt64, _ template: LeafTemplate, _ supply: () -> PhysicalAddress
  ) throws(MapError) {
    requireInside(byteCount)
    guard byteCount > 0 else { return }
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
    guard byteCount > 0 else { return }
    let largest = Self.largestLeaf(whereDifferent: self.address ^ address.rawValue)
    var reservation = try prepareNodes(byteCount, wholeUpTo: largest)
    // Made once; what can be in question is only how large the largest are.
    let small = LeafTemplate(property, size: .fourKiB, ownsFrame: false)
    let large = LeafTemplate(property, size: .twoMiB, ownsFrame: false)
    let largestSize = largest.pageSize ?? .fourKiB
    let other = LeafTemplate(property, size: largestSize, ownsFrame: false)
    fill(byteCount, wholeUpTo: largest, from: &reservation) { level, distance in
      let template = level.number == 1 ? small : level.number == 2 ? large : other
      return template.entry(at: PhysicalAddress(unchecked: address.rawValue &+ distance))
    }
  }
}

extension CursorState {
  /// The leaf table below `top` of `level`, which is locked, that spans `address`, if there is one.
  ///
  /// Not a method, for which the cursor would be copied.
  @inline(never)
  private static func leafTable(
    _ top: PageTableNode, _ level: PagingLevel, _ address: UInt64
  ) -> PageTableNode? {
    var node = top
    var level = level
    while level > .leafTable {
      guard let child = node.ownChild(VirtualAddress(address).index(at: level)) else { return nil }
      node = child
      level = level.below
    }
    return node
  }

  @inline(__always)
  func index(_ address: UInt64, _ level: PagingLevel) -> Int {
    VirtualAddress(address).index(at: level)
  }

  /// The level of the largest leaf that can show at one address what is at another, or further on
  /// in both places, if these are the bits in which the two differ.
  static func largestLeaf(whereDifferent difference: UInt64) -> PagingLevel {
    if PagingMode.current.hasOneGiBPages && difference & (PageSize.oneGiB.byteCount - 1) == 0 {
      return PagingLevel(leafOf: .oneGiB)
    }
    let fitsTwoMiB = difference & (PageSize.twoMiB.byteCount - 1) == 0
    return fitsTwoMiB ? PagingLevel(leafOf: .twoMiB) : .leafTable
  }

  /// Fills the next `byteCount` bytes, which are vacant, with the largest entries that fit and are
  /// of level `largest` at most, and moves past them.
  ///
  /// `entry` says what each is, by its level and its distance from the first byte. Where there is a
  /// table already, its entries are filled.
  @inline(__always)
  mutating func fill(
    _ byteCount: UInt64, wholeUpTo largest: PagingLevel, from reservation: inout NodeReservation,
    with entry: (PagingLevel, UInt64) -> PageTableEntry
  ) {
    let start = offset
    let end = offset + byteCount
    while offset < end {
      var level = min(descend(to: address, level: .leafTable).1, largest)
      while address & (level.span &- 1) != 0 || end - offset < level.span { level = level.below }
      let node = makeTable(at: address, level: level, from: &reservation)
      let first = index(address, level)
      let count = min(512 - first, Int(truncatingIfNeeded: (end - offset) &>> level.shift))
      let distance = offset - start
      let done = node.fill(count, from: first) { entry(level, distance &+ $0 &<< level.shift) }
      offset += UInt64(truncatingIfNeeded: done) &<< level.shift
    }
  }

  /// Maps `leaf` of `size` at the position, where its place is not vacant, or nodes are missing, or
  /// there are tables for smaller pages. `node` of `current` is the lowest down to its level.
  @inline(never)
  private mutating func map(
    _ leaf: PageTableEntry, _ size: PageSize, under node: PageTableNode, _ current: PagingLevel
  ) throws(MapError) {
    let level = PagingLevel(leafOf: size)
    let entry = node[index(address, current)]
    if current < level || entry.isTable { return try mapParts(of: leaf, size) }
    if entry.isLeaf { throw .alreadyMapped(VirtualAddress(address)) }
    var reservation = try obtain(current.number - level.number)
    let table = makeTable(at: address, level: level, from: &reservation)
    table.put(leaf, at: index(address, level))
    offset &+= size.byteCount
  }

  /// Gets the nodes that are missing for leaves in the next `byteCount` bytes, where entries of
  /// level `largest` and below that lie wholly in them become leaves themselves.
  ///
  /// Throws `alreadyMapped` if any of them is mapped, and `outOfFrames`.
  mutating func prepareNodes(
    _ byteCount: UInt64, wholeUpTo largest: PagingLevel = .leafTable
  ) throws(MapError) -> NodeReservation {
    var missing: UInt64 = 0
    var position = address
    let last = position &+ (byteCount &- 1)
    while true {
      let (node, level) = descend(to: position, level: .leafTable)
      let stop: UInt64
      if level == .leafTable {
        stop = min(last, position | (level.tableSpan &- 1))
        try node.requireVacant(from: index(position, level), to: index(stop, level), at: position)
      } else {
        stop = try node.requireNoLeaf(of: level, from: position, to: last)
        missing += NodeReservation.nodeCount(
          below: level, from: position, to: stop, wholeUpTo: largest)
      }
      if stop == last { break }
      position = stop &+ 1
    }
    return try obtain(Int(missing))
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

  /// Stores what `entry` returns for 0, 1 and so on in the next `count` places from `first` on, as
  /// far as they are vacant; the first one is. Returns how many that are. Under the lock.
  @inline(__always)
  func fill(_ count: Int, from first: Int, with entry: (UInt64) -> PageTableEntry) -> Int {
    require(first >= 0 && first < 512 && count <= 512 - first, "a page-table node has 512 entries")
    var added = 0
    var done = 0
    repeat {
      let old = self[first &+ done]
      if !old.isVacant { break }
      if old.isAbsent { added &+= 1 }
      store(entry(UInt64(truncatingIfNeeded: done)), at: first &+ done)
      done &+= 1
    } while done < count
    presentCount += added
    return done
  }

  /// Throws `alreadyMapped` if an entry of this node of `level`, above the leaf tables, is a leaf,
  /// among those of `position` and on up to the first that leads to a table, or to that of `last`.
  /// The entry of `position` leads to none. Returns the last byte of which that is known.
  func requireNoLeaf(
    of level: PagingLevel, from position: UInt64, to last: UInt64
  ) throws(MapError) -> UInt64 {
    let first = VirtualAddress(position).index(at: level)
    let start = position & ~(level.span &- 1)
    let count = min(512 - first, Int(truncatingIfNeeded: (last &- start) &>> level.shift) &+ 1)
    var place = first
    while place < first &+ count && !self[place].isTable {
      let distance = UInt64(truncatingIfNeeded: place &- first) &<< level.shift
      if self[place].isLeaf {
        throw .alreadyMapped(VirtualAddress(max(position, start &+ distance)))
      }
      place &+= 1
    }
    return min(last, start &+ (UInt64(truncatingIfNeeded: place &- first) &<< level.shift &- 1))
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
