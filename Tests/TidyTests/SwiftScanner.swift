/// Tells the comments and string literals of a Swift file from its code.
///
/// Knows line comments, nested block comments, literals of one or more lines, raw strings and
/// interpolation. Does not know regular expression literals: the project writes none.
struct SwiftScanner {
  private enum Mode {
    case code(openParentheses: Int)
    case string(hashes: Int, isMultiline: Bool)
    case lineComment
    case blockComment
  }

  private let bytes: [UInt8]
  private var position = 0
  private var modes: [Mode] = [.code(openParentheses: 0)]
  private var lines: [SourceText.Line] = []
  private var text: [UInt8] = []
  private var code: [UInt8] = []
  private var comment: [UInt8] = []

  init(_ text: String) { bytes = Array(text.utf8) }

  mutating func scan() -> [SourceText.Line] {
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "\n") {
        endLine()
        continue
      }
      switch modes.last ?? .code(openParentheses: 0) {
      case .code(let openParentheses): scanCode(openParentheses)
      case .string(let hashes, let isMultiline): scanString(hashes, isMultiline)
      case .lineComment: take(1, into: \.comment)
      case .blockComment: scanBlockComment()
      }
    }
    endLine()
    return lines
  }

  private mutating func endLine() {
    lines.append(
      SourceText.Line(
        text: String(decoding: text, as: UTF8.self), code: String(decoding: code, as: UTF8.self),
        comment: String(decoding: comment, as: UTF8.self)))
    (text, code, comment) = ([], [], [])
    position += 1
    if case .lineComment = modes.last { modes.removeLast() }
  }

  private mutating func take(_ count: Int, into part: WritableKeyPath<Self, [UInt8]>?) {
    let taken = bytes[position..<min(position + count, bytes.count)]
    text += taken
    if let part { self[keyPath: part] += taken }
    position += count
  }

  private func starts(with word: String) -> Bool {
    bytes[position...].starts(with: word.utf8)
  }

  private mutating func scanCode(_ openParentheses: Int) {
    if starts(with: "//") {
      modes.append(.lineComment)
      take(2, into: nil)
    } else if starts(with: "/*") {
      modes.append(.blockComment)
      take(2, into: nil)
    } else if let (hashes, isMultiline) = openingQuote() {
      modes.append(.string(hashes: hashes, isMultiline: isMultiline))
      take(hashes + (isMultiline ? 3 : 1), into: \.code)
    } else {
      countParenthesis(openParentheses)
      take(1, into: \.code)
    }
  }

  /// An interpolation ends with the parenthesis that closes it.
  private mutating func countParenthesis(_ open: Int) {
    guard modes.count > 1 else { return }
    if bytes[position] == UInt8(ascii: "(") {
      modes[modes.count - 1] = .code(openParentheses: open + 1)
    } else if bytes[position] == UInt8(ascii: ")") {
      modes[modes.count - 1] = .code(openParentheses: open - 1)
      if open == 1 { modes.removeLast() }
    }
  }

  private func openingQuote() -> (hashes: Int, isMultiline: Bool)? {
    let hashes = bytes[position...].prefix { $0 == UInt8(ascii: "#") }.count
    let quotes = bytes[(position + hashes)...].prefix { $0 == UInt8(ascii: "\"") }.count
    guard quotes > 0 else { return nil }
    return (hashes, quotes >= 3)
  }

  private mutating func scanString(_ hashes: Int, _ isMultiline: Bool) {
    let marks = String(repeating: "#", count: hashes)
    let end = (isMultiline ? "\"\"\"" : "\"") + marks
    if starts(with: end) {
      modes.removeLast()
      take(end.utf8.count, into: \.code)
    } else if starts(with: "\\" + marks + "(") {
      modes.append(.code(openParentheses: 1))
      take(hashes + 2, into: \.code)
    } else if starts(with: "\\" + marks) && !starts(with: "\\" + marks + "\n") {
      take(hashes + 2, into: nil)
    } else {
      // A line break stays one, also where the literal leaves it out.
      take(1, into: nil)
    }
  }

  private mutating func scanBlockComment() {
    if starts(with: "*/") {
      modes.removeLast()
      take(2, into: nil)
    } else if starts(with: "/*") {
      modes.append(.blockComment)
      take(2, into: nil)
    } else {
      take(1, into: \.comment)
    }
  }
}
