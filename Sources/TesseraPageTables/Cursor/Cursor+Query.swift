internal import TesseraFrames
public import TesseraHardware

/// Contiguous pages with the same content.
///
/// If they are mapped, their memory is contiguous too, and the content has its first byte.
public struct PageRun: Equatable, Sendable {
  /// The first byte. For a single query it may lie before the position, where the entry begins.
  public let start: VirtualAddress
  /// The number of bytes.
  public let byteCount: UInt64
  /// The number of bytes that one entry spans.
  public let entryByteCount: UInt64
  public let content: PageContent
}

extension Cursor {
  /// Returns what is at the position, as far as one entry reaches. Does not move. Throws
  /// `outOfBounds` at the end.
  public func query() throws(TesseraError) -> PageRun {
    guard !isAtEnd else { throw .outOfBounds }
    let (entry, level) = entry
    return PageRun(
      start: position.alignedDown(to: level.span), byteCount: level.span,
      entryByteCount: level.span, content: entry.content(level))
  }

  /// The entry that spans the position, which is not the end, and its level.
  private var entry: (entry: PageTableEntry, level: PagingLevel) { entry(at: position) }

  /// The entry that spans the page at `address`, which is in the range, and its level.
  package func entry(at address: VirtualAddress) -> (entry: PageTableEntry, level: PagingLevel) {
    require(address >= lock.tree.start && address < lock.tree.end, "page is not in the range")
    let node = lock.tree.lowestNode(at: address)
    return (node[node.index(of: address)], node.level)
  }

  /// The address after what the entry at the position, which is not the end, spans.
  package var endOfEntry: VirtualAddress {
    position.last(in: entry.level.span).advanced(unchecked: 1)
  }

  /// Whether one entry spans the whole range, and nothing is mapped there.
  package var isInOneStatus: Bool {
    let (entry, level) = entry(at: lock.tree.start)
    return entry.isStatus
      && lock.tree.start.last(in: level.span).rawValue
        >= lock.tree.end.rawValue &- 1
  }

  /// The address after the first entry in the next `byteCount` bytes that is not absent, because it
  /// maps a page or has a status; nil if all are absent. Does not move.
  package func endOfFirstUsed(within byteCount: UInt64) -> VirtualAddress? {
    let end = checkedEnd(byteCount)
    var address = position
    while address < end {
      let node = lock.tree.lowestNode(at: address)
      if !node[node.index(of: address)].isAbsent {
        return address.last(in: node.level.span).advanced(unchecked: 1)
      }
      let room = end.distance(from: address)
      address = address.advanced(unchecked: node.byteCountOfEntry(at: address, upTo: room))
    }
    return nil
  }

  /// Moves to the first mapped page in the next `byteCount` bytes, or past them if there is none.
  /// Returns whether there was one.
  public mutating func findNext(within byteCount: UInt64) -> Bool {
    let end = checkedEnd(byteCount)
    while position < end {
      guard let next = Self.afterUnmapped(at: position, in: lock.tree) else { return true }
      position = min(end, next)
    }
    return false
  }

  /// The address after the entry, or the empty node, that spans `position`; nil if a page is mapped
  /// there.
  private static func afterUnmapped(
    at position: VirtualAddress, in tree: borrowing LockedTree
  ) -> VirtualAddress? {
    let node = tree.lowestNode(at: position)
    if node[node.index(of: position)].isLeaf { return nil }
    let span = node.presentCount == 0 ? node.level.tableSpan : node.level.span
    return position.last(in: span).advanced(unchecked: 1)
  }
}
