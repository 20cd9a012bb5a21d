/// A file of the checkout, read the way the rules need it: comments apart from code.
struct SourceText {
  struct Line {
    /// The line as it stands in the file.
    let text: String
    /// The line without comments, and with the contents of string literals taken out.
    let code: String
    /// What the line says in comments.
    let comment: String

    /// Whether nothing but white space stands in the line.
    var isBlank: Bool { text.allSatisfy(\.isWhitespace) }

    /// The code without the white space around it.
    var statement: Substring {
      code.drop(while: \.isWhitespace).trimmingSuffix(while: \.isWhitespace)
    }
  }

  /// The path from the top of the checkout, such as `Sources/TesseraFrames/TesseraError.swift`.
  let path: String
  let lines: [Line]

  init(path: String, text: String) {
    self.path = path
    if path.hasSuffix(".swift") {
      var scanner = SwiftScanner(text)
      lines = scanner.scan()
    } else {
      lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
        Line(text: String($0), code: String($0), comment: "")
      }
    }
  }

  /// The folders and the file on the path.
  var components: [Substring] { path.split(separator: "/") }

  /// The name of the file without the folders.
  var fileName: Substring { components.last ?? "" }

  /// The module that the file belongs to: the folder under `Sources` or `Tests`.
  var module: Substring? { components.count > 2 ? components[1] : nil }

  func finding(at index: Int, _ advice: String) -> Finding {
    Finding(file: path, line: index + 1, advice: advice)
  }
}

extension Substring {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var rest = self
    while let last = rest.last, predicate(last) { rest.removeLast() }
    return rest
  }
}
