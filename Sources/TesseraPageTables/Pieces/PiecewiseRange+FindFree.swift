package import TesseraHardware

extension PiecewiseRange {
  /// Returns the first address of `byteCount` bytes in the range, whole pages and more than none,
  /// that are absent: neither mapped nor with a status. It is a multiple of `alignment`, a power of
  /// two. Returns nil if there is none.
  ///
  /// By the time this returns, another thread may have mapped a page there.
  package func findFree(_ byteCount: UInt64, alignedTo alignment: UInt64) -> VirtualAddress? {
    var search = FreeSearch(byteCount, alignedTo: alignment, from: start)
    do throws(FreeFound) {
      try forEachPiece { cursor throws(FreeFound) in
        cursor.findFree(&search)
        if search.isDone(before: cursor.address) { throw FreeFound() }
      }
      return nil
    } catch { return search.candidate }
  }

  /// Ends a search: the candidate is free.
  private struct FreeFound: Error {}
}

/// How far the search for free addresses has got.
private struct FreeSearch {
  private let byteCount: UInt64
  private let alignment: UInt64
  /// The lowest address that may be found: from here up to the position, all pages are absent. The
  /// last address there is, if none is left.
  private(set) var candidate = VirtualAddress(.max)

  init(_ byteCount: UInt64, alignedTo alignment: UInt64, from start: VirtualAddress) {
    self.byteCount = byteCount
    self.alignment = alignment
    goOn(from: start)
  }

  /// Makes the first suitable address at or after `address` the candidate.
  mutating func goOn(from address: VirtualAddress) {
    candidate =
      address.advanced(byChecked: alignment &- 1)?.alignedDown(to: alignment)
      ?? VirtualAddress(.max)
  }

  /// Whether the pages from the candidate up to `position` are enough.
  func isDone(before position: VirtualAddress) -> Bool {
    position > candidate && position.distance(from: candidate) >= byteCount
  }
}

extension Cursor {
  /// Continues `search` from the position to the end of the range, or until it is done.
  fileprivate mutating func findFree(_ search: inout FreeSearch) {
    while !isAtEnd && !search.isDone(before: position) {
      Self.findFreeStep(&search, &position, in: lock.tree)
    }
  }

  /// Continues `search` through the entries of one node from `position`, and moves past them.
  private static func findFreeStep(
    _ search: inout FreeSearch, _ position: inout VirtualAddress, in tree: borrowing LockedTree
  ) {
    let node = tree.lowestNode(at: position)
    let span = node.level.span
    if node.presentCount == 0 {
      let after = position.last(in: node.level.tableSpan).advanced(unchecked: 1)
      position = min(tree.end, after)
      return
    }
    var index = node.index(of: position)
    var next = position.alignedDown(to: span)
    while index < 512 && next < tree.end && !node[index].isTable && !search.isDone(before: next) {
      next = next.advanced(unchecked: span)
      if !node[index].isAbsent { search.goOn(from: next) }
      index += 1
    }
    position = min(tree.end, next)
  }
}
