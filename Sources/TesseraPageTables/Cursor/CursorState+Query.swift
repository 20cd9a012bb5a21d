internal import TesseraFrames
public import TesseraHardware

/// What a cursor finds at its position.
public enum PageContent: Equatable, Sendable {
  /// Nothing.
  case absent
  /// Nothing is mapped, but the page has this status.
  case status(UInt32)
  /// Memory at `address`, whose frame the mapping owns a count of if `ownsFrame`.
  case mapped(PhysicalAddress, PageProperty, ownsFrame: Bool)
}

extension PageContent {
  /// Whether something is mapped.
  public var isMapped: Bool {
    if case .mapped = self { return true }
    return false
  }
}

/// Pages that follow each other and are all the same.
///
/// If they are mapped, their memory follows each other too, and the content names the first byte.
public struct PageRun: Equatable, Sendable {
  /// The first byte. Of a single query it may lie before the position, where the entry begins.
  public let start: VirtualAddress
  /// How many bytes there are.
  public let byteCount: UInt64
  /// How much one entry spans that says so.
  public let entryByteCount: UInt64
  public let content: PageContent
}

extension CursorState {
  /// What is at the position, without moving. Throws `outOfBounds` at the end.
  package func query() throws(RangeError) -> PageRun {
    guard !isAtEnd else { throw .outOfBounds }
    let (node, level) = descend(to: address, level: .leafTable)
    let entry = node[index(address, level)]
    return PageRun(
      start: VirtualAddress(address & ~(level.span &- 1)), byteCount: level.span,
      entryByteCount: level.span, content: entry.content(level))
  }

  /// The entry that the page at the position, which is not the end, is under, and its level.
  package var entry: (entry: PageTableEntry, level: PagingLevel) {
    let (node, level) = descend(to: address, level: .leafTable)
    return (node[index(address, level)], level)
  }

  /// Moves back to the start.
  package mutating func rewind() { offset = 0 }

  /// The byte after what the entry at the position, which is not the end, spans.
  package var endOfEntry: UInt64 {
    let level = descend(to: address, level: .leafTable).1
    return (address & ~(level.span &- 1)) &+ level.span
  }

  /// Moves to the first mapped page in the next `byteCount` bytes. If there is none, moves past
  /// them and says false. Traps as `unmap` does.
  package mutating func findNext(_ byteCount: UInt64) -> Bool {
    requireInside(byteCount)
    let end = offset + byteCount
    while offset < end {
      let (node, level) = descend(to: address, level: .leafTable)
      if node[index(address, level)].isLeaf { return true }
      let step = level.span - address % level.span
      offset = min(end, node.presentCount == 0 ? endOfTable(level) : offset + step)
    }
    return false
  }

  /// The offset at which the span of the node of `level` at the position ends.
  private func endOfTable(_ level: PagingLevel) -> UInt64 {
    offset + (level.tableSpan - address % level.tableSpan)
  }
}

extension PageTableEntry {
  /// What this entry of a node of `level`, which leads to no table, says of its pages.
  @inline(__always)
  func content(_ level: PagingLevel) -> PageContent {
    if isLeaf, let size = level.pageSize {
      return .mapped(leafAddress(size: size), property(size: size), ownsFrame: ownsFrame)
    }
    if let status { return .status(status) }
    return .absent
  }
}
