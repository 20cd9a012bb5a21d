/// How many words of unsafe code each file may have, one line per file: the count, then the path.
///
/// Counts only go down. A file that is not in the ledger may have none.
struct UnsafeLedger {
  static let path = "Tests/TidyTests/unsafe-words.txt"

  private var ledger: WordLedger
  var counts: [String: Int] { ledger.counts }

  init(_ text: String) { ledger = WordLedger(text) }

  init(counting files: [SourceText]) {
    ledger = WordLedger("")
    for file in files {
      let count = Tidy.unsafeWordCount(in: file)
      if count > 0 { ledger.counts[file.path] = count }
    }
  }

  /// The ledger as it is kept in its file.
  var text: String { ledger.text }

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
