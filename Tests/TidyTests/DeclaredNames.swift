/// The names that Swift under `Sources` declares, and how often each is mentioned anywhere.
struct DeclaredNames {
  private var declarationCounts: [Substring: Int] = [:]
  private var mentionCounts: [Substring: Int] = [:]
  private var places: [Substring: (file: String, line: Int)] = [:]

  private static let keywords: Set<Substring> = [
    "func", "var", "let", "typealias", "struct", "enum", "protocol", "class",
  ]

  /// Counts in `files`, of which those that are not Swift are documents or C, where each word is a
  /// mention.
  init(in files: [SourceText]) {
    for file in files {
      let isSwift = file.path.hasSuffix(".swift")
      let isDeclaring = isSwift && file.path.hasPrefix("Sources/")
      var isCalledFromC = false
      for (index, line) in file.lines.enumerated() {
        let code = isSwift ? line.code : line.text
        let words = Tidy.words(in: code)
        for word in words { mentionCounts[word, default: 0] += 1 }
        guard isDeclaring else { continue }
        if code.contains("@c(") || code.contains("@c ") { isCalledFromC = true }
        for name in Self.names(declaredBy: words, in: line.statement) {
          declarationCounts[name, default: 0] += 1
          if places[name] == nil { places[name] = (file.path, index + 1) }
          // C calls it by the name in the attribute.
          if isCalledFromC { mentionCounts[name, default: 0] += 1 }
        }
        if words.contains("func") { isCalledFromC = false }
      }
    }
  }

  private static func names(
    declaredBy words: [Substring], in statement: some StringProtocol
  ) -> [Substring] {
    var names = zip(words, words.dropFirst()).filter { keywords.contains($0.0) }.map(\.1)
    // The first case of a line, unless it is a pattern of a `switch`.
    if statement.hasPrefix("case "), !statement.hasSuffix(":"), !statement.contains(": "),
      words.count > 1, words[0] == "case", !statement.hasPrefix("case .")
    {
      names.append(words[1])
    }
    return names.filter { $0 != "_" && $0 != "let" && $0 != "var" }
  }

  /// A finding for each name that nothing mentions besides its declarations.
  var unmentioned: [Finding] {
    declarationCounts.filter { $0.value >= mentionCounts[$0.key, default: 0] }.keys.compactMap {
      guard let place = places[$0] else { return nil }
      return Finding(
        file: place.file, line: place.line,
        advice: "nothing mentions `\($0)`; remove it, or test it if it is for clients")
    }.sorted { $0.description < $1.description }
  }
}
