package import Testing

/// Counts claims and keeps the first one that fails, for loops that check millions.
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

  /// Expects that all claims held and that there were at least `expected` of them.
  package func expectAll(atLeast expected: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(failureCount == 0, "\(firstFailure)", sourceLocation: sourceLocation)
    #expect(count >= expected, "too few claims were made", sourceLocation: sourceLocation)
  }
}
