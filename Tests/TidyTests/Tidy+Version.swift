/// `tessera.h` has the version; every other place says the same, or is made from it.
extension Tidy {
  static let header = "Sources/CTessera/include/tessera.h"
  static let changes = "Sources/Tessera/Tessera.docc/Changes.md"

  /// The version that the header defines as a number, as "major.minor.patch".
  static func version(in header: SourceText) -> String? {
    for line in header.lines {
      if let match = line.text.wholeMatch(of: /#define TESSERA_VERSION (\d+)/) {
        return Int(match.1).map { "\($0 / 10_000).\($0 / 100 % 100).\($0 % 100)" }
      }
    }
    return nil
  }

  /// The places in `file` that say another version than `version`.
  static func otherVersions(than version: String, in file: SourceText) -> [Finding] {
    let spelled =
      switch file.fileName {
      case "Tessera.swift": /version: StaticString \{ "([0-9.]*)" \}/
      case "tessera.pc": /^Version: (.*)$/
      default: /\b[Tt]essera[ -]v?(\d+\.\d+\.\d+)/
      }
    let expected = file.fileName == "tessera.pc" ? "@VERSION@" : version
    return file.lines.indices.compactMap { index in
      guard let match = file.lines[index].text.firstMatch(of: spelled), match.1 != expected else {
        return nil
      }
      return file.finding(at: index, "write \(expected), or change \(header)")
    }
  }

  /// What is wrong with the page of changes: the first version is not `version`, a new name is not
  /// in the header, or an old one still is.
  static func errors(
    inChanges page: SourceText, version: String, header: SourceText
  ) -> [Finding] {
    var findings: [Finding] = []
    let numbered = page.lines.firstIndex { $0.text.wholeMatch(of: /## [0-9.]+/) != nil }
    if numbered.map({ page.lines[$0].text != "## \(version)" }) ?? true {
      findings.append(page.finding(at: numbered ?? 0, "the first version has to be \(version)"))
    }
    let words = header.lines.flatMap { line in
      line.text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    }
    let declared = Set(words)
    for (index, line) in page.lines.enumerated() {
      let names = /\| `((?i)tessera_\w+)` \| `(\w+)` \|/
      guard let row = line.text.wholeMatch(of: names) else { continue }
      if declared.contains(row.1) { findings.append(page.finding(at: index, "\(row.1) is there")) }
      if !declared.contains(row.2) { findings.append(page.finding(at: index, "no \(row.2)")) }
    }
    return findings
  }
}
