import Foundation

/// The classes of `tessera.h`: which functions may be called in which context.
struct HeaderContracts {
  /// The class of each function but the hooks, by its name without `tessera_`.
  private(set) var classes: [String: String] = [:]
  /// Functions whose comment names no class.
  private(set) var withoutClass: [String] = []
  /// The classes that have a row in the table at the top.
  private(set) var rows: Set<String> = []

  init(parsing header: String) {
    // A comment counts for the functions up to the next comment.
    var current: String?
    var isComment = false
    for line in header.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("/*") {
        isComment = true
        current = nil
      }
      if isComment {
        if let found = line.firstMatch(of: /Context: ([a-z]+)\./) { current = String(found.1) }
        if let row = line.firstMatch(of: /^ \*     ([a-z]+)  .*  (yes|no)[ ]/) {
          rows.insert(String(row.1))
        }
        if line.hasSuffix("*/") { isComment = false }
      } else if let function = line.firstMatch(of: /^[a-zA-Z].*\btessera_([a-z0-9_]+)\(/),
        !line.hasPrefix("typedef"), !function.1.hasPrefix("host_")
      {
        if let current {
          classes[String(function.1)] = current
        } else {
          withoutClass.append(String(function.1))
        }
      }
    }
  }

  /// The contracts of the header in this checkout.
  static func current() throws -> HeaderContracts {
    let header = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "../../Sources/CTessera/include/tessera.h")
    return HeaderContracts(parsing: try String(contentsOf: header, encoding: .utf8))
  }
}
