/// What a run of scenarios expects, and which of it did not hold.
///
/// Keeps the first failures in place, because a kernel that tests itself has no heap.
package struct Checks: ~Copyable {
  /// An expectation that did not hold, and where it was written.
  package struct Failure: Sendable {
    package let message: StaticString
    package let file: StaticString
    package let line: Int
  }

  /// The number of expectations that were checked.
  package private(set) var expectationCount = 0

  /// The number of them that did not hold, also beyond those that are kept.
  package private(set) var failureCount = 0

  /// Selects the random numbers of a scenario that draws some.
  package let seed: UInt64

  private var kept = [8 of Failure?](repeating: nil)

  package init(seed: UInt64 = 0) { self.seed = seed }

  /// Notes a failure with `message` unless `condition` holds.
  package mutating func expect(
    _ condition: Bool, _ message: StaticString, file: StaticString = #fileID, line: Int = #line
  ) {
    expectationCount += 1
    if !condition { fail(message, file: file, line: line) }
  }

  /// Notes a failure.
  package mutating func fail(
    _ message: StaticString, file: StaticString = #fileID, line: Int = #line
  ) {
    if failureCount < kept.count {
      kept[failureCount] = Failure(message: message, file: file, line: line)
    }
    failureCount += 1
  }

  /// Hands the first failures to `report`, in the order in which they came.
  package borrowing func forEachFailure(_ report: (Failure) -> Void) {
    for index in 0..<min(failureCount, kept.count) {
      if let failure = kept[index] { report(failure) }
    }
  }
}
