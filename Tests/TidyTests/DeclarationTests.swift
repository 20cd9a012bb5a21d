import Testing

/// The rules about declarations find the files that break them, and pass those that do not.
@Suite("Declarations") struct DeclarationTests {
  private func file(_ path: String, _ text: String) -> SourceText {
    SourceText(path: path, text: text)
  }

  @Test func `a declaration that nothing mentions is found`() {
    let source = file(
      "Sources/A/A.swift",
      """
      struct A {
        var used = 1
        var unused = "used"
        func run() { used += 1 }
        case first
      }
      """)
    let test = file("Tests/ATests/ATests.swift", "A().run() // unused")
    #expect(DeclaredNames(in: [source, test]).unmentioned.map(\.line) == [3, 5])
  }

  @Test func `two declarations of a name do not mention each other`() {
    let source = file("Sources/A/A.swift", "func a(b: Int) {}\nfunc a() {}\n")
    #expect(DeclaredNames(in: [source]).unmentioned.map(\.line) == [1])
  }

  @Test(arguments: [
    ("func a() {}", "README.md", "Call `a`."), ("@c(tessera_a) public func a() {}", "b.md", ""),
    ("switch b {\ncase let a: print(a)\n}", "b.md", ""), ("let a = 1; print(a)", "b.md", ""),
  ])
  func `a declaration that a document or C mentions passes`(
    text: String, path: String, document: String
  ) {
    let files = [file("Sources/A/A.swift", text), file(path, document)]
    #expect(DeclaredNames(in: files).unmentioned == [])
  }

  @Test func `a cycle of folders is found`() {
    let files = [
      file("Sources/A/Low/Low.swift", "struct Low {}\nlet high: High"),
      file("Sources/A/Middle/Middle.swift", "struct Middle { var low: Low }"),
      file("Sources/A/High/High.swift", "struct High { var middle: Middle }"),
    ]
    #expect(FolderGraph(of: files).cycles.count == 3)
  }

  @Test func `folders of two modules, and comments, make no cycle`() {
    let files = [
      file("Sources/A/Low/Low.swift", "struct Low {} // High"),
      file("Sources/A/High/High.swift", "struct High { var low: Low }"),
      file("Sources/B/Low/Other.swift", "struct Other { var high: High }"),
    ]
    #expect(FolderGraph(of: files).cycles == [])
  }
}
