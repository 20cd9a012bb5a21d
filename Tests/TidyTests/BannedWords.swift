import Foundation

/// The words and phrases that the project does not use, and what to write instead.
///
/// Files from before the rule are in a ledger with the number that each has left, which only goes
/// down. `TIDY_RECORD=1 swift test --filter TidyTests` writes the counts as they are.
struct BannedWords {
  static let listPath = "Tests/TidyTests/banned-words.txt"
  static let allowancePath = "Tests/TidyTests/allowed-words.txt"
  static let remainingPath = "Tests/TidyTests/remaining-words.txt"

  private struct Phrase {
    let text: String
    let words: [String]
    let replacement: String
    /// Whether parts of an identifier do not count.
    let isWordAlone: Bool
  }

  /// By the first word.
  private var phrases: [String: [Phrase]] = [:]
  /// The phrases that a file may have, by its path.
  private var allowances: [String: Set<String>] = [:]

  /// Reads lines `phrase, phrase => replacement`, and lines `path: phrase, phrase (reason)`.
  init(_ list: String, allowing allowed: String = "") {
    for line in Self.lines(of: list) {
      let parts = line.components(separatedBy: " => ")
      guard parts.count == 2 else { continue }
      for entry in parts[0].components(separatedBy: ", ") {
        let isWordAlone = entry.hasPrefix("word:")
        let text = isWordAlone ? String(entry.dropFirst("word:".count)) : entry
        let words = text.lowercased().split(separator: " ").map(String.init)
        phrases[words[0], default: []].append(
          Phrase(text: text, words: words, replacement: parts[1], isWordAlone: isWordAlone))
      }
    }
    for line in Self.lines(of: allowed) {
      let parts = line.components(separatedBy: ": ")
      guard parts.count == 2, let end = parts[1].firstIndex(of: "(") else { continue }
      let texts = parts[1][..<end].trimmingCharacters(in: .whitespaces)
      allowances[parts[0], default: []].formUnion(texts.components(separatedBy: ", "))
    }
  }

  private static func lines(of text: String) -> [String] {
    text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
  }

  /// Every place in `file` with a phrase of the list that the file may not have.
  func findings(in file: SourceText) -> [Finding] {
    let allowed = allowances[file.path] ?? []
    let words = Word.all(in: file)
    return words.indices.compactMap { index in
      guard let candidates = phrases[words[index].text] else { return nil }
      for phrase in candidates where !allowed.contains(phrase.text) {
        if matches(phrase, words[index...]) {
          return Finding(
            file: file.path, line: words[index].line + 1,
            advice: "`\(phrase.text)`: write \(phrase.replacement)")
        }
      }
      return nil
    }
  }

  private func matches(_ phrase: Phrase, _ words: ArraySlice<Word>) -> Bool {
    guard words.count >= phrase.words.count else { return false }
    if phrase.isWordAlone && words[words.startIndex].isPart { return false }
    return zip(phrase.words, words).allSatisfy { $0 == $1.text }
  }

  /// Whether the rule holds for the file at `path`.
  static func covers(_ path: String) -> Bool {
    let folders = ["Sources/", "Tests/", "boot/", "linker/"]
    let files = ["Makefile", "README.md", "Package.swift", ".gdbinit"]
    return (files.contains(path) || folders.contains { path.hasPrefix($0) })
      && ![listPath, allowancePath, remainingPath].contains(path)
  }
}

/// A word of a text: a run of letters, or the part of an identifier up to the next capital or
/// underscore, in lower case. Punctuation that ends a clause is a word of its own, which no phrase
/// has.
private struct Word {
  let text: String
  let line: Int
  /// Whether it is a part of an identifier.
  let isPart: Bool

  static func all(in file: SourceText) -> [Word] {
    file.lines.indices.flatMap { words(in: file.lines[$0].text, $0) }
  }

  private static func words(in text: String, _ line: Int) -> [Word] {
    var words: [Word] = []
    var run: [UInt8] = []
    for byte in text.utf8 + [UInt8(ascii: " ")] {
      if isLetter(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "'") {
        run.append(byte)
        continue
      }
      words += parts(of: run).map { part in
        Word(
          text: String(decoding: part, as: UTF8.self).lowercased(), line: line,
          isPart: part.count < run.count)
      }
      run.removeAll(keepingCapacity: true)
      if clauseEnds.contains(byte) { words.append(Word(text: ".", line: line, isPart: false)) }
    }
    return words
  }

  /// The parts of `payEarly` are `pay` and `Early`.
  private static func parts(of run: [UInt8]) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    var part: [UInt8] = []
    for byte in run {
      let isCapital = UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      if byte == UInt8(ascii: "_") || isCapital && (part.last.map(isLowercase) ?? false) {
        if !part.isEmpty { parts.append(part) }
        part.removeAll()
      }
      if byte != UInt8(ascii: "_") { part.append(byte) }
    }
    return part.isEmpty ? parts : parts + [part]
  }

  private static let clauseEnds = Set(".,;:?!()[]{}=\"".utf8)

  private static func isLowercase(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
  }

  private static func isLetter(_ byte: UInt8) -> Bool { isLowercase(byte | 0x20) }
}
