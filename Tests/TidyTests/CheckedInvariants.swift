/// The texts with which the checkers of invariants report violations.
///
/// A checker that reports nothing looks like one that finds nothing wrong, so a test has to violate
/// each invariant and expect its text.
enum CheckedInvariants {
  /// What no test can violate: both follow from the address of the slot alone.
  static let identities: Set<String> = [
    "slot is not aligned to 64 bytes", "slot leads to another frame",
    "address leads to the slot of another frame",
  ]

  /// The texts that `report` is called with in `file`, each with the index of its line.
  static func texts(in file: SourceText) -> [(text: String, index: Int)] {
    file.lines.indices.compactMap { index in
      var text = file.lines[index].text
      // The call may continue on the next line.
      if text.hasSuffix("report("), index + 1 < file.lines.count {
        text += file.lines[index + 1].text
      }
      guard let call = text.firstRange(of: "report(") else { return nil }
      let parts = text[call.upperBound...].split(
        separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].allSatisfy(\.isWhitespace) else { return nil }
      return (String(parts[1]), index)
    }
  }

  /// A finding for each text of `sources` that no literal in `tests` has.
  static func untested(in sources: [SourceText], tests: [SourceText]) -> [Finding] {
    let tested = tests.map { $0.lines.map(\.text).joined(separator: "\n") }
    return sources.flatMap { file in
      texts(in: file).filter { found in
        !identities.contains(found.text)
          && !tested.contains { $0.contains("\"\(found.text)") }
      }.map {
        file.finding(at: $0.index, "no test violates this invariant and expects its text")
      }
    }
  }
}
