import Testing

/// Misuse that the compiler rejects.
@Suite("Misuse") struct MustNotCompileTests {
  @Test func `there are programs to reject`() {
    #expect(Snippet.all.count >= 10)
  }

  @Test(arguments: Snippet.all)
  func `the compiler rejects it, and names the line`(snippet: Snippet) throws {
    let expected = try #require(snippet.expectedError, "the first line must be `// error: …`")
    try #require(!snippet.wrongLines.isEmpty, "no line ends with `\(Snippet.mark)`")
    let name = snippet.testDescription
    let outcome = try ClientCompiler().compile(snippet.text, named: name)
    #expect(!outcome.compiles, "it compiles")
    let errors = outcome.diagnostics.split(separator: "\n").filter { $0.contains(": error: ") }
    #expect(
      errors.contains { $0.contains(expected) },
      "the compiler says something else:\n\(outcome.diagnostics)")
    #expect(
      snippet.wrongLines.contains { outcome.diagnostics.contains("\(name).swift:\($0):") },
      "the compiler blames another line:\n\(outcome.diagnostics)")
  }

  @Test(arguments: Snippet.all)
  func `without the wrong lines it compiles`(snippet: Snippet) throws {
    let outcome = try ClientCompiler().compile(snippet.corrected, named: snippet.testDescription)
    #expect(outcome.compiles, "\(outcome.diagnostics)")
  }
}
