/// How many words of some sort each file has: one line per file, the count and then the path.
struct WordLedger {
  var counts: [String: Int] = [:]

  init(_ text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ", maxSplits: 1)
      if words.count == 2, let count = Int(words[0]) { counts[String(words[1])] = count }
    }
  }

  /// The ledger as it is kept in its file.
  var text: String {
    let lines = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }
    return lines.joined() + "# \(counts.values.reduce(0, +)) words in \(counts.count) files\n"
  }
}
