import Testing

/// The version of the project is the same wherever it is written.
@Suite("The version") struct VersionTests {
  private let header = SourceText(
    path: Tidy.header, text: "#define TESSERA_VERSION 10203\nvoid tessera_new(void);\n")

  @Test func `the version is the header's in every file`() throws {
    let checkout = Checkout.current
    let version = try #require(checkout.read(Tidy.header).flatMap(Tidy.version))
    for file in checkout.allFiles where file.module != "TidyTests" {
      for finding in Tidy.otherVersions(than: version, in: file) { Issue.record("\(finding)") }
    }
  }

  @Test func `the page of changes begins with the version, and has the header's names`() throws {
    let checkout = Checkout.current
    let header = try #require(checkout.read(Tidy.header))
    let page = try #require(checkout.read(Tidy.changes))
    let version = try #require(Tidy.version(in: header))
    #expect(page.lines.filter { $0.text.hasPrefix("| `") }.count > 40)
    #expect(Tidy.errors(inChanges: page, version: version, header: header) == [])
  }

  @Test(arguments: [
    ("README.md", "    tessera 1.2.4, memory management", 1),
    ("README.md", "    tessera 1.2.3, memory management", 0),
    ("Sources/Tessera/Tessera.swift", "static var version: StaticString { \"1.2.4\" }", 1),
    ("Sources/Tessera/Tessera.swift", "static var version: StaticString { \"1.2.3\" }", 0),
    ("linker/tessera.pc", "Version: 1.2.3", 1), ("linker/tessera.pc", "Version: @VERSION@", 0),
    ("README.md", "Swift 6.3.1 with", 0),
  ])
  func `another version is found`(path: String, text: String, count: Int) throws {
    let version = try #require(Tidy.version(in: header))
    let file = SourceText(path: path, text: text)
    #expect(Tidy.otherVersions(than: version, in: file).count == count)
  }

  @Test(arguments: [
    ("## Unreleased\n## 1.2.0\n", "1.2.0", 0), ("## 1.1.0\n", "1.2.0", 1), ("", "1.2.0", 1),
    ("## 1.2.0\n| `tessera_old` | `tessera_new` |\n", "1.2.0", 0),
    ("## 1.2.0\n| `tessera_new` | `tessera_newer` |\n", "1.2.0", 2),
    ("## 1.2.0\n| `TESSERA_OLD` | `TESSERA_NEW` |\n", "1.2.0", 1),
    ("## 1.2.0\n| `Old.name` | `New.name` |\n", "1.2.0", 0),
  ])
  func `a mistake in the page of changes is found`(text: String, version: String, count: Int) {
    let page = SourceText(path: Tidy.changes, text: text)
    let findings = Tidy.errors(inChanges: page, version: version, header: header)
    #expect(findings.count == count)
  }
}
