/// What the processors of a storm have done and found.
struct PagerStormNotes: CustomStringConvertible {
  enum Kind: String, CaseIterable {
    case write, read, glance, fault, wait, freed, fork, synchronized, resize, replacement, move
    case attachment, kernelRead, failure
  }

  var counts: [Kind: Int] = [:]
  /// The first problems.
  private(set) var problems: [String] = []

  mutating func count(_ kind: Kind, _ count: Int = 1) { counts[kind, default: 0] += count }

  mutating func note(_ problem: String) {
    if problems.count < 20 { problems.append(problem) }
  }

  mutating func add(_ other: PagerStormNotes) {
    counts.merge(other.counts) { $0 + $1 }
    for problem in other.problems { note(problem) }
  }

  var description: String {
    Kind.allCases.map { "\($0.rawValue) \(counts[$0, default: 0])" }.joined(separator: ", ")
  }
}
