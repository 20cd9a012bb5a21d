import Foundation
import Synchronization

/// What one thread has done to pages and seen of them, and when. Nothing is compared before all
/// threads have ended, so that the checks order nothing.
///
/// The changes of one page have numbers, its versions: 1, 2, and so on. At version 0 it is absent.
final class PageHistory: @unchecked Sendable {
  /// The state of a page from some version on.
  struct State: Equatable {
    /// The word that was written to its frame before it was mapped; 0 if the page is absent.
    var stamp: UInt64 = 0
    var frame: UInt64 = 0
    var isWritable = false
  }

  struct Change {
    let page: UInt64
    let version: Int
    let state: State
    let start: UInt64
    var end: UInt64
  }

  /// How a page was used.
  enum Kind { case read, write, translation }

  struct Use {
    let page: UInt64
    let kind: Kind
    /// What was found: a stamp, or the frame of a translation; 0 after a fault.
    let found: UInt64
    let start, end: UInt64
  }

  fileprivate var changes: [Change] = []
  /// That a call had found a version when it returned.
  fileprivate var sightings: [Change] = []
  fileprivate var uses: [Use] = []
  private var firstChange = 0
  private var firstSighting = 0
  private var start: UInt64 = 0
  private let barrier = Atomic<UInt64>(0)

  /// The time in nanoseconds, on all processors. What the thread does before and after is done
  /// before and after: a locked instruction keeps loads and stores from passing. Its operand
  /// belongs to the thread, so that it orders no two threads.
  private func now() -> UInt64 {
    // Ordering: sequentially consistent, this and the next, for the instruction; no partner.
    barrier.wrappingAdd(1, ordering: .sequentiallyConsistent)
    let time = monotonicTime()
    // Ordering: see above.
    barrier.wrappingAdd(1, ordering: .sequentiallyConsistent)
    return time
  }

  private func monotonicTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Runs `body`, calls that change pages and have returned when it has. They are noted meanwhile.
  func during(_ body: () throws -> Void) rethrows {
    start = now()
    (firstChange, firstSighting) = (changes.count, sightings.count)
    defer {
      let end = now()
      for index in firstChange..<changes.count { changes[index].end = end }
      for index in firstSighting..<sightings.count { sightings[index].end = end }
    }
    try body()
  }

  func noteChange(of page: UInt64, to state: State, _ version: Int) {
    changes.append(Change(page: page, version: version, state: state, start: start, end: .max))
  }

  /// Notes that the space of `page` is about to be destroyed: from now on the page may be absent,
  /// or as it was.
  func noteDestruction(of page: UInt64, _ version: Int) {
    changes.append(Change(page: page, version: version, state: State(), start: now(), end: .max))
  }

  func noteSight(of page: UInt64, _ version: Int) {
    sightings.append(
      Change(page: page, version: version, state: State(), start: start, end: .max))
  }

  func use(_ page: UInt64, _ kind: Kind, _ body: () -> UInt64) {
    let start = now()
    let found = body()
    uses.append(Use(page: page, kind: kind, found: found, start: start, end: now()))
  }
}

/// The histories of all threads together.
struct PageHistories {
  private var versions: [UInt64: [PageHistory.Change]] = [:]
  private var uses: [PageHistory.Use] = []
  private(set) var problems: [String] = []

  var changeCount: Int { versions.values.reduce(0) { $0 + $1.count } }
  var useCount: Int { uses.count }
  /// How many uses found something.
  var hitCount: Int { uses.reduce(0) { $0 + ($1.found == 0 ? 0 : 1) } }

  init(_ histories: [PageHistory]) {
    for history in histories {
      for change in history.changes { versions[change.page, default: []].append(change) }
      uses += history.uses
    }
    for page in versions.keys { order(page) }
    for history in histories {
      for sighting in history.sightings where sighting.version > 0 { apply(sighting) }
    }
    for page in versions.keys { propagateEnds(page) }
  }

  /// Sorts the changes of `page`, whose versions are those from 1 on.
  private mutating func order(_ page: UInt64) {
    versions[page]!.sort { $0.version < $1.version }
    for (index, change) in versions[page]!.enumerated() where change.version != index + 1 {
      problems.append("page \(name(page)) has two changes at once, at version \(change.version)")
      return
    }
  }

  /// Who has seen a version knows that all have it, as who made it does.
  private mutating func apply(_ sighting: PageHistory.Change) {
    guard let count = versions[sighting.page]?.count, sighting.version <= count else {
      problems.append("page \(name(sighting.page)) has a version that no thread made")
      return
    }
    let index = sighting.version - 1
    versions[sighting.page]![index].end = min(versions[sighting.page]![index].end, sighting.end)
  }

  /// Makes the end of each change the time from which on no version before it may be used.
  private mutating func propagateEnds(_ page: UInt64) {
    for index in versions[page]!.indices.dropLast().reversed() {
      let next = versions[page]![index + 1].end
      versions[page]![index].end = min(versions[page]![index].end, next)
    }
  }

  /// The uses of a version when a call that had made or seen a later one had returned.
  func staleUses() -> [String] {
    uses.compactMap { isJustified($0) ? nil : describe($0) }
  }

  private func isJustified(_ use: PageHistory.Use) -> Bool {
    let changes = versions[use.page] ?? []
    if matches(PageHistory.State(), use) && isCurrent(0, changes, use) { return true }
    return changes.contains {
      matches($0.state, use) && $0.start <= use.end && isCurrent($0.version, changes, use)
    }
  }

  /// Whether no call had returned, when the use began, that had made or seen a later version.
  private func isCurrent(
    _ version: Int, _ changes: [PageHistory.Change], _ use: PageHistory.Use
  ) -> Bool {
    version == changes.count || use.start <= changes[version].end
  }

  private func matches(_ state: PageHistory.State, _ use: PageHistory.Use) -> Bool {
    switch use.kind {
    case .translation: use.found == state.frame
    case .read: use.found == state.stamp
    case .write: use.found == (state.isWritable ? state.stamp : 0)
    }
  }

  private func describe(_ use: PageHistory.Use) -> String {
    let states = (versions[use.page] ?? []).map {
      "\($0.version): \(hexadecimal($0.state.stamp))\($0.state.isWritable ? " rw" : "")"
        + " \($0.start)-\($0.end)"
    }
    return """
      a \(use.kind) of page \(name(use.page)) at \(use.start)-\(use.end) found \
      \(hexadecimal(use.found)); \(states.suffix(8).joined(separator: ", "))
      """
  }

  private func name(_ page: UInt64) -> String { hexadecimal(page) }

  private func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
