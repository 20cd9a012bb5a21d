/// A function, initialiser, subscript or computed property, found by counting braces.
struct Declaration {
  /// Counted from 0, both inclusive.
  let lines: ClosedRange<Int>
  let name: String

  private static let introducers: Set<Substring> = ["func", "init", "deinit", "subscript", "var"]

  /// Every declaration in `file` that has a body.
  static func all(in file: SourceText) -> [Declaration] {
    file.lines.indices.compactMap { index in
      let code = file.lines[index].code
      let words = Tidy.words(in: code)
      guard let word = words.first(where: introducers.contains) else { return nil }
      guard let range = code.range(of: word), !isMember(code, at: range.lowerBound) else {
        return nil
      }
      let column = code.distance(from: code.startIndex, to: range.lowerBound)
      let end = end(in: file, line: index, column: column)
      return Declaration(lines: index...end, name: String(file.lines[index].statement))
    }
  }

  /// Whether a dot stands before `position`, as in `self.init(…)`.
  private static func isMember(_ code: String, at position: String.Index) -> Bool {
    position > code.startIndex && code[code.index(before: position)] == "."
  }

  /// The line on which the declaration that starts at `column` of `line` ends.
  ///
  /// A declaration without a body ends on the line on which its brackets are closed.
  static func end(in file: SourceText, line: Int, column: Int) -> Int {
    var brackets = 0
    var braces = 0
    var hasSeenBody = false
    for index in line..<file.lines.count {
      let code = file.lines[index].code
      for character in index == line ? code.dropFirst(column) : code[...] {
        switch character {
        case "(", "[": brackets += 1
        case ")", "]": brackets -= 1
        case "{":
          braces += 1
          hasSeenBody = true
        case "}":
          braces -= 1
          if braces <= 0 { return index }
        default: break
        }
      }
      if !hasSeenBody && brackets == 0 && !continues(file, after: index) { return index }
    }
    return file.lines.count - 1
  }

  /// Whether the head of a declaration goes on after `line`: an attribute that stands alone, a
  /// result, a condition or the opening brace follows.
  private static func continues(_ file: SourceText, after line: Int) -> Bool {
    guard line + 1 < file.lines.count else { return false }
    if file.lines[line].statement.split(separator: " ").allSatisfy({ $0.hasPrefix("@") }) {
      return true
    }
    let next = file.lines[line + 1].statement
    return ["->", "where", "{", "throws"].contains { next.hasPrefix($0) }
  }
}
