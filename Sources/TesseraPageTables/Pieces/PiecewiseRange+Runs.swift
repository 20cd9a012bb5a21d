internal import TesseraHardware

extension PiecewiseRange {
  /// Calls `body` with the contents of the range, as `Cursor.forEachRun` does, but with nothing
  /// locked and with preemption as it was: `body` may change the range.
  ///
  /// What another thread or `body` changes is seen or not, page by page.
  package func forEachRun(_ body: (PageRun) -> Void) {
    var position = start
    var runs = RunBuffer()
    while position < end {
      position = gatherRuns(from: position, into: &runs)
      runs.passAllButLast(body)
    }
    runs.passLast(body)
  }

  /// Adds the runs from `position` to `runs`, as long as there is room, and up to the end of the
  /// piece. Returns the address after them.
  @inline(never)
  private func gatherRuns(
    from position: VirtualAddress, into runs: inout RunBuffer
  ) -> VirtualAddress {
    Preemption.disabled {
      var cursor = Cursor(
        locking: position..<endOfPiece(from: position, within: .max), of: root)
      let atATime = UInt64(RunBuffer.reserve) * PageSize.fourKiB.byteCount
      var steps = 0
      while !cursor.isAtEnd && runs.hasRoom && steps < RunBuffer.reserve {
        steps += 1
        let entryLeft = cursor.endOfEntry.distance(from: cursor.address)
        cursor.forEachRun(within: min(cursor.byteCountLeft, max(atATime, entryLeft))) {
          runs.add($0)
        }
      }
      return cursor.address
    }
  }
}

/// Runs that were found with a lock held, until it is released.
private struct RunBuffer {
  private var runs = InlineArray<24, PageRun>(repeating: .none)
  private var count = 0

  /// The largest number of runs that are added between two reads of `hasRoom`.
  static var reserve: Int { 16 }

  var hasRoom: Bool { count + Self.reserve <= runs.count }

  /// Adds `run`, or continues the last one with it.
  mutating func add(_ run: PageRun) {
    if count > 0, let joined = runs[count - 1].continued(by: run) {
      runs[count - 1] = joined
    } else {
      runs[count] = run
      count += 1
    }
  }

  /// Calls `body` with each run but the last, which the next one may continue.
  mutating func passAllButLast(_ body: (PageRun) -> Void) {
    guard count > 1 else { return }
    for index in 0..<count - 1 { body(runs[index]) }
    runs[0] = runs[count - 1]
    count = 1
  }

  mutating func passLast(_ body: (PageRun) -> Void) {
    if count > 0 { body(runs[0]) }
  }
}

extension PageRun {
  fileprivate static var none: PageRun {
    PageRun(start: VirtualAddress(0), byteCount: 0, entryByteCount: 0, content: .absent)
  }

  /// This run and `next`, which begins where it ends, as one; nil if they differ in more than their
  /// addresses. Each large page is a run of its own.
  fileprivate func continued(by next: PageRun) -> PageRun? {
    switch (content, next.content) {
    case (.absent, .absent), (.status, .status), (.demandZero, .demandZero), (.pending, .pending):
      guard content == next.content else { return nil }
    case (.mapped(let address, let property, let owns), .mapped(let other, let same, let ownsToo))
    where address.rawValue &+ byteCount == other.rawValue && property == same && owns == ownsToo
      && entryByteCount == PageSize.fourKiB.byteCount && next.entryByteCount == entryByteCount:
      break
    default: return nil
    }
    return PageRun(
      start: start, byteCount: byteCount &+ next.byteCount, entryByteCount: entryByteCount,
      content: content)
  }
}
