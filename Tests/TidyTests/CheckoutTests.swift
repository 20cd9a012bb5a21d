import Foundation
import Testing

/// The rules, held against every file of the checkout.
@Suite("The checkout") struct CheckoutTests {
  private static let checkout = Checkout.current

  @Test func `the checkout has the files that the rules check`() {
    let paths = Self.checkout.paths
    #expect(paths.contains("Package.swift"))
    #expect(paths.contains { Tidy.isFreestanding(SourceText(path: $0, text: "")) })
  }

  @Test(arguments: checkout.paths)
  func `a file follows the style rules`(path: String) {
    guard let file = Self.checkout.read(path) else { return }
    for finding in Tidy.findings(in: file) {
      Issue.record("\(finding)")
    }
  }

  @Test func `only the agreed entries stand at the top`() {
    for finding in Tidy.strangersAtTheTop(of: Self.checkout.paths) {
      Issue.record("\(finding)")
    }
  }

  @Test func `the README has a line for each folder`() throws {
    let text = Self.checkout.read("README.md")
    let readme = try #require(text, "write a README.md")
    for finding in Tidy.foldersWithoutLine(in: readme, of: Self.checkout.paths) {
      Issue.record("\(finding)")
    }
  }

  /// `TIDY_RECORD=1 swift test --filter TidyTests` writes the counts as they are.
  @Test func `unsafe code stays where it was agreed on`() throws {
    let actual = UnsafeLedger(counting: Self.checkout.swiftFiles.filter(Tidy.isFreestanding))
    let url = Self.checkout.root.appending(path: UnsafeLedger.path)
    if ProcessInfo.processInfo.environment["TIDY_RECORD"] != nil {
      try actual.text.write(to: url, atomically: true, encoding: .utf8)
    }
    print(actual.text, terminator: "")
    let agreed = UnsafeLedger(try String(contentsOf: url, encoding: .utf8))
    for finding in agreed.findings(for: actual) {
      Issue.record("\(finding)")
    }
  }

  /// Files from before the rule may have as many as `remaining-words.txt` says, and only fewer.
  @Test func `the checkout is written in the words of the field`() throws {
    let root = Self.checkout.root
    let banned = BannedWords(
      try String(contentsOf: root.appending(path: BannedWords.listPath), encoding: .utf8),
      allowing: try String(
        contentsOf: root.appending(path: BannedWords.allowancePath), encoding: .utf8))
    let url = root.appending(path: BannedWords.remainingPath)
    var remaining = WordLedger(try String(contentsOf: url, encoding: .utf8))
    var actual = WordLedger("")
    for path in Self.checkout.paths where BannedWords.covers(path) {
      guard let file = Self.checkout.read(path) else { continue }
      let findings = banned.findings(in: file)
      actual.counts[path] = findings.isEmpty ? nil : findings.count
      if ProcessInfo.processInfo.environment["TIDY_WORDS"] != nil {
        for finding in findings { print(finding) }
      }
    }
    if ProcessInfo.processInfo.environment["TIDY_RECORD"] != nil {
      try actual.text.write(to: url, atomically: true, encoding: .utf8)
      remaining = actual
    }
    print(actual.text.split(separator: "\n").last ?? "")
    for (path, count) in actual.counts where count > remaining.counts[path, default: 0] {
      Issue.record(
        """
        \(path) has \(count) banned words, and may have \(remaining.counts[path, default: 0]); \
        TIDY_WORDS=1 swift test --filter TidyTests prints each, with what to write instead
        """)
    }
  }

  @Test func `a test violates each invariant that is checked`() {
    let files = Self.checkout.swiftFiles
    let sources = files.filter { $0.path.hasPrefix("Sources/Tessera") }
    #expect(sources.flatMap(CheckedInvariants.texts).count > 50)
    let tests = files.filter { $0.path.hasPrefix("Tests/") && !$0.path.contains("/TidyTests/") }
    for finding in CheckedInvariants.untested(in: sources, tests: tests) {
      Issue.record("\(finding)")
    }
  }

  @Test func `every declaration is mentioned`() {
    let files = Self.checkout.paths.filter { path in
      [".swift", ".md", ".h", ".c", ".S"].contains { path.hasSuffix($0) }
    }
    for finding in DeclaredNames(in: files.compactMap(Self.checkout.read)).unmentioned {
      Issue.record("\(finding)")
    }
  }

  @Test func `the folders of a module use each other in one direction`() {
    for finding in FolderGraph(of: Self.checkout.swiftFiles).cycles { Issue.record("\(finding)") }
  }
}
