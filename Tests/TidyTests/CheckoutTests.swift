import Foundation
import Testing

/// The rules, held against every file of the checkout.
@Suite("The checkout") struct CheckoutTests {
  private static let checkout = Checkout.current

  @Test func `the checkout has the files that the rules look at`() {
    let paths = Self.checkout.paths
    #expect(paths.contains("Package.swift"))
    #expect(paths.contains { Tidy.isFreestanding(SourceText(path: $0, text: "")) })
  }

  @Test(arguments: checkout.paths)
  func `a file keeps the rules of the house`(path: String) {
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
}
