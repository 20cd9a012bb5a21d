import Foundation
import Testing

/// A program of a client of Tessera that the compiler must reject.
///
/// Its first line is `// error: ` and a part of what the compiler must say. The lines that are to
/// blame end with `// wrong`; without them the same program must compile, so that it cannot be
/// rejected for another reason.
struct Snippet: CustomTestStringConvertible {
  static let mark = "// wrong"

  let url: URL
  let text: String

  var testDescription: String { url.deletingPathExtension().lastPathComponent }

  /// Every snippet that lies in the folder.
  static let all: [Snippet] = {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Snippets")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".swift") }.sorted().compactMap { name in
      let url = folder.appending(path: name)
      guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
      return Snippet(url: url, text: text)
    }
  }()

  /// What the compiler must say.
  var expectedError: String? {
    let prefix = "// error: "
    guard let line = text.split(separator: "\n").first, line.hasPrefix(prefix) else { return nil }
    return String(line.dropFirst(prefix.count))
  }

  /// The numbers, from 1, of the lines that are to blame.
  var wrongLines: [Int] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
      .filter { $1.hasSuffix(Self.mark) }.map { $0.offset + 1 }
  }

  /// The program without the lines that are to blame.
  var corrected: String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.hasSuffix(Self.mark) ? "" : String($0) }.joined(separator: "\n")
  }
}
