import Testing

/// Counts claims that hold and keeps the first that does not, for loops of millions.
package struct Tally {
  private(set) var count = 0
  private(set) var failureCount = 0
  private(set) var firstFailure = ""

  package init() {}

  package mutating func claim(_ holds: Bool, _ sentence: @autoclosure () -> String) {
    count += 1
    if holds { return }
    if failureCount == 0 { firstFailure = sentence() }
    failureCount += 1
  }

  /// Expects that all claims held, and that they were at least as many as the test set out to make.
  package func expectAll(atLeast expected: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(failureCount == 0, "\(firstFailure)", sourceLocation: sourceLocation)
    #expect(count >= expected, "too few claims were made", sourceLocation: sourceLocation)
  }
}
