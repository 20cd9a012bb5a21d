import Testing

/// The rule about words finds the text that breaks it, and passes the text that does not.
@Suite("Banned words") struct BannedWordsTests {
  private func file(_ text: String, named name: String = "Frame.swift") -> SourceText {
    SourceText(path: "Sources/TesseraFrames/\(name)", text: text)
  }

  private static let banned = BannedWords(
    """
    # A comment.
    pay, owe => flush
    word:for good => permanently
    """, allowing: "Sources/TesseraFrames/Price.swift: pay (it is about prices)")

  @Test(arguments: [
    "// Pay it.", "let a = payEarly()", "let text = \"owe\"", "case PAY_NOW",
    "// kept for\n// good",
  ])
  func `a banned word is found`(text: String) {
    let findings = Self.banned.findings(in: file("\n\(text)\n"))
    #expect(findings.map(\.line) == [2])
    #expect(findings.first?.advice.contains(": write ") == true)
  }

  @Test(arguments: [
    "// payload", "// owed", "// what for? good", "let a = forGood()", "// for (good)",
  ])
  func `a word that has a banned one in it passes`(text: String) {
    #expect(Self.banned.findings(in: file(text)) == [])
  }

  @Test func `a banned word passes where it is allowed, and only that`() {
    let price = file("// pay\n// owe\n", named: "Price.swift")
    #expect(Self.banned.findings(in: price).map(\.line) == [2])
  }
}
