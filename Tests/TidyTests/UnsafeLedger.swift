/// How many words of unsafe code each file may have, one line per file: the count, then the path.
///
/// Counts only go down. A file that is not in the ledger may have none.
struct UnsafeLedger {
  static let path = "Tests/TidyTests/unsafe-words.txt"

  private(set) var counts: [String: Int] = [:]

  init(_ text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ", maxSplits: 1)
      if words.count == 2, let count = Int(words[0]) { counts[String(words[1])] = count }
    }
  }

  init(counting files: [SourceText]) {
    for file in files {
      let count = Tidy.unsafeWordCount(in: file)
      if count > 0 { counts[file.path] = count }
    }
  }

  /// The ledger as it is kept in its file.
  var text: String {
    let lines = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }
    return lines.joined() + "# \(counts.values.reduce(0, +)) words in \(counts.count) files\n"
  }

  /// Where `actual` has more than this ledger allows, or less than it remembers.
  func findings(for actual: UnsafeLedger) -> [Finding] {
    Set(counts.keys).union(actual.counts.keys).sorted().compactMap { file in
      let allowed = counts[file, default: 0]
      let found = actual.counts[file, default: 0]
      if found > allowed {
        return Finding(
          file: file, line: 1,
          advice: "\(found) words of unsafe code, \(allowed) are agreed; do without, or agree on"
            + " more in \(Self.path)")
      }
      guard found < allowed else { return nil }
      return Finding(
        file: file, line: 1,
        advice: "\(found) words of unsafe code, \(allowed) are agreed; lower it in \(Self.path)")
    }
  }
}
