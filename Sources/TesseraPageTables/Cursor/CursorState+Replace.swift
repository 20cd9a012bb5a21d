package import TesseraHardware

extension CursorState {
  /// Maps what `template` makes of `address` in the place of the page of `size` at the position,
  /// and moves past it.
  ///
  /// As `map`, but what was mapped there is let go once no processor can reach it. Throws
  /// `notMapped` if the page or a part of it is not mapped, and `outOfFrames` if a larger leaf must
  /// be split and cannot be.
  package mutating func replace(
    _ address: PhysicalAddress, _ template: LeafTemplate, size: PageSize
  ) throws(MapError) {
    requireInside(size.byteCount)
    let position = self.address
    require(position & (size.byteCount - 1) == 0, "a page is mapped at a multiple of its size")
    let level = PagingLevel(leafOf: size)
    try requireMapped(size.byteCount)
    try splitEdges(size.byteCount)
    let (node, current) = descend(to: position, level: level)
    guard current == level && !node[index(position, level)].isTable else {
      return replaceParts(by: template.entry(at: address), size, node, current)
    }
    let old = node.exchange(template.entry(at: address), at: index(position, level))
    if old.isPresent { flusher.enqueue(position, size: size) }
    flusher.hold(old, size: size)
    offset &+= size.byteCount
  }

  /// Throws `notMapped` if any of the next `byteCount` bytes, which are not none, is not mapped.
  @inline(__always)
  private func requireMapped(_ byteCount: UInt64) throws(MapError) {
    var position = address
    let last = position &+ (byteCount &- 1)
    while true {
      let (node, level) = descend(to: position, level: .leafTable)
      guard node[index(position, level)].isLeaf else { throw .notMapped(VirtualAddress(position)) }
      let stop = position | (level.span &- 1)
      if stop >= last { return }
      position = stop &+ 1
    }
  }

  /// Gives every page in the next `byteCount` bytes the status `payload`, and moves past them.
  ///
  /// Throws `alreadyMapped` if one of them is mapped, and `outOfFrames`. A page that had a status
  /// gets the new one.
  package mutating func mark(_ byteCount: UInt64, _ payload: UInt32) throws(MapError) {
    requireInside(byteCount)
    guard byteCount > 0 else { return }
    let status = PageTableEntry.status(payload)
    let largest = PagingMode.current.rootLevel
    var reservation = try prepareNodes(byteCount, wholeUpTo: largest)
    fill(byteCount, wholeUpTo: largest, from: &reservation) { _, _ in status }
  }
}
