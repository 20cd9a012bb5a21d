import Testing

/// Each rule sees the text that breaks it, and passes the text that does not.
@Suite("A style rule") struct RuleTests {
  /// A file of the frames module, where the kernel's rules hold.
  private func frames(_ text: String, named name: String = "Frame.swift") -> SourceText {
    SourceText(path: "Sources/TesseraFrames/\(name)", text: text)
  }

  private func lines(_ findings: [Finding]) -> [Int] { findings.map(\.line) }

  @Test func `an import of a higher layer is found, of a lower one not`() {
    let file = frames("internal import TesseraHardware\npackage import Tessera\n")
    #expect(lines(Tidy.importsUpwards(in: file)) == [2])
  }

  @Test func `an invariant that no test violates is found`() {
    let source = frames(
      """
      if a { report("first is wrong") }
      report(
        "second is wrong", address)
      """)
    let test = SourceText(path: "Tests/T/T.swift", text: "#expect(x == [\"first is wrong (1)\"])")
    #expect(lines(CheckedInvariants.untested(in: [source], tests: [test])) == [2])
    #expect(lines(CheckedInvariants.untested(in: [source], tests: [])) == [1, 2])
  }

  @Test func `a module without a layer is found`() {
    let file = SourceText(path: "Sources/Attic/Attic.swift", text: "struct Attic {}")
    #expect(lines(Tidy.importsUpwards(in: file)) == [1])
  }

  @Test func `an import of the seam is found outside its one neighbour`() {
    let text = "internal import CTessera\n"
    #expect(lines(Tidy.importsOfTheSeam(in: frames(text))) == [1])
    let neighbour = SourceText(path: "Sources/TesseraHardware/Panic.swift", text: text)
    #expect(Tidy.importsOfTheSeam(in: neighbour) == [])
  }

  @Test func `conditional compilation is found, in a comment it is not`() {
    let file = frames("// #if is not used\n  #if DEBUG\n  #endif\n")
    #expect(lines(Tidy.conditionalCompilation(in: file)) == [2])
  }

  @Test func `unsafe code without a reason is found`() {
    let file = frames(
      """
      func first() {
        // SAFETY: the pointer is live.
        unsafe touch(pointer)

        unsafe touch(pointer)
      }
      """)
    #expect(lines(Tidy.unsafeWithoutReason(in: file)) == [5])
  }

  @Test func `a reason does not reach past a closing brace`() {
    let file = frames("// SAFETY: live.\nfunc one() { unsafe touch() }\n}\nlet x = unsafe two()\n")
    #expect(lines(Tidy.unsafeWithoutReason(in: file)) == [4])
  }

  @Test func `an unsafe declaration excuses its body and no more`() {
    let file = frames(
      """
      @unsafe
      func first(
        pointer: UnsafeRawPointer
      ) -> Int {

        return unsafe read(pointer)
      }
      func second() { unsafe first() }
      """)
    #expect(lines(Tidy.unsafeWithoutReason(in: file)) == [8])
  }

  @Test func `an unchecked conformance without a reason is found`() {
    #expect(
      lines(Tidy.unsafeWithoutReason(in: frames("struct Frame: @unchecked Sendable {}"))) == [1])
  }

  @Test func `the word unsafe in a comment or a text is no unsafe code`() {
    let file = frames("// unsafe\nlet text = \"unsafe\" /* unsafe */\n")
    #expect(Tidy.unsafeWithoutReason(in: file) == [])
    #expect(Tidy.unsafeWordCount(in: file) == 0)
  }

  @Test func `unsafe code in an interpolation is found`() {
    #expect(lines(Tidy.unsafeWithoutReason(in: frames(#"let a = "\(unsafe b) unsafe""#))) == [1])
  }

  @Test func `an atomic operation without a partner is found`() {
    let file = frames(
      """
      // Ordering: acquiring, pairs with the store in `unlock`.
      let a = word.load(ordering: .acquiring)

      let b = word.compareExchange(
        expected: 0, desired: 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      """)
    #expect(lines(Tidy.orderingsWithoutReason(in: file)) == [5])
  }

  @Test func `random numbers from a seed of their own are found`() {
    let path = "Tests/TesseraFramesTests/StormTests.swift"
    func found(_ text: String) -> [Int] {
      lines(Tidy.seedsOfTheirOwn(in: SourceText(path: path, text: text)))
    }
    #expect(found("let seed = Seed.current\nvar numbers = SplitMix(seed: 7)\n") == [2])
    #expect(found("var numbers = SplitMix(seed: UInt64(number))\n") == [1])
    #expect(found("state = state &* 6_364_136_223_846_793_005\n") == [1])
    #expect(found("let seed = Seed.current\nvar numbers = SplitMix(seed: seed ^ 1)\n") == [])
  }

  @Test(arguments: ["TO" + "DO: later", "a FIX" + "ME", "(XX" + "X)"])
  func `unfinished work is found`(words: String) {
    #expect(lines(Tidy.unfinishedWork(in: frames("\n// \(words)\n"))) == [2])
  }

  @Test func `a file of one line too many is found`() {
    let text = String(repeating: "let a = 1\n", count: Tidy.longestFile)
    #expect(Tidy.filesThatAreTooLong(in: frames(text)) == [])
    #expect(lines(Tidy.filesThatAreTooLong(in: frames(text + "let b = 1\n"))) == [401])
  }

  @Test(arguments: [
    "func work() {", "init() {", "deinit {", "subscript(i: Int) -> Int {", "var a: Int {",
    "func work(\n  a: Int\n)\n  -> Int\nwhere A: B {",
  ])
  func `a function of one line too many is found`(head: String) {
    let headLines = head.split(separator: "\n").count
    func function(_ lineCount: Int) -> SourceText {
      let body = String(repeating: "  if a { b() }\n", count: lineCount - headLines - 1)
      return frames("struct A {\n\(head)\n\(body)}\n}\n")
    }
    #expect(Tidy.functionsThatAreTooLong(in: function(Tidy.longestFunction)) == [])
    #expect(lines(Tidy.functionsThatAreTooLong(in: function(Tidy.longestFunction + 1))) == [2])
  }

  @Test func `a requirement without a body is not taken for a long function`() {
    let text = "protocol A {\n  func a()\n" + String(repeating: "  func b()\n", count: 80) + "}\n"
    #expect(Tidy.functionsThatAreTooLong(in: frames(text)) == [])
  }

  @Test func `a line of one column too many is found`() {
    let line = String(repeating: "é", count: Tidy.longestLine)
    #expect(Tidy.linesThatAreTooLong(in: frames(line)) == [])
    #expect(lines(Tidy.linesThatAreTooLong(in: frames("\n\(line)é"))) == [2])
  }

  @Test func `a long row of a table passes, a long sentence does not`() {
    let row = "| " + String(repeating: "a", count: 120) + " |"
    let readme = SourceText(path: "README.md", text: "\(row)\n\(row.dropFirst())")
    #expect(lines(Tidy.linesThatAreTooLong(in: readme)) == [2])
  }

  @Test func `a long line that a kernel has printed passes`() {
    let line = String(repeating: "a", count: 120)
    #expect(Tidy.linesThatAreTooLong(in: SourceText(path: "Tests/a.json", text: line)) == [])
    #expect(lines(Tidy.linesThatAreTooLong(in: SourceText(path: "Tests/a.svg", text: line))) == [1])
  }

  @Test func `a file that is not called after its type is found`() {
    let text = "public struct Frame {}\nextension Frame.Kind {}\nfunc retire() {}\n"
    #expect(Tidy.namesThatDiffer(in: frames(text)) == [])
    #expect(Tidy.namesThatDiffer(in: frames(text, named: "Frame+Kind.swift")) == [])
    #expect(Tidy.namesThatDiffer(in: frames(text, named: "Retire.swift")) == [])
    let functions = "@c(tessera_host_panic) func panic() {}\n"
    #expect(Tidy.namesThatDiffer(in: frames(functions, named: "HostHooks.swift")) == [])
    #expect(lines(Tidy.namesThatDiffer(in: frames(text, named: "Segment.swift"))) == [1])
    #expect(lines(Tidy.namesThatDiffer(in: frames(text, named: "Segment+Kind.swift"))) == [1])
  }

  @Test(arguments: ["/" + "work/main", "see S" + "3.12", "(V" + "7).", "V" + "31:", "S" + "3.1."])
  func `a word of the workplace is found`(words: String) {
    #expect(lines(Tidy.wordsOfTheWorkplace(in: frames("\n// \(words)\n"))) == [2])
  }

  @Test(arguments: ["the network/card", "PSE36 and SSE4.2", "Vol. 3A", "IPV" + "6", "S3", "V1.0.3"])
  func `a word of the trade passes`(words: String) {
    #expect(Tidy.wordsOfTheWorkplace(in: frames("// \(words)\n")) == [])
  }

  @Test func `a stranger at the top is found, and so is a gap`() {
    let paths = Tidy.topLevel.map { "\($0)/a" }
    #expect(Tidy.strangersAtTheTop(of: paths + [".ci/run"]) == [])
    #expect(Tidy.strangersAtTheTop(of: paths + ["notes/a"]).map(\.file) == ["notes"])
    #expect(
      Tidy.strangersAtTheTop(of: paths.filter { $0 != "linker/a" }).map(\.file) == ["linker"])
  }

  @Test func `a folder without a line in the README is found`() {
    let readme = SourceText(path: "README.md", text: "| `Sources/A` | the first |")
    let paths = ["Sources/A/A.swift", "Tests/B/B.swift", "Tests/run-all"]
    let findings = Tidy.foldersWithoutLine(in: readme, of: paths)
    #expect(findings.map(\.advice) == ["say in a line what `Tests/B` is for"])
  }

  @Test func `unsafe words above and below the agreed number are found`() {
    let agreed = UnsafeLedger("2 Sources/A.swift\n3 Sources/B.swift\n# 5 words\n")
    let pointer = SourceText(path: "Sources/A.swift", text: "unsafe a(UnsafePointer, @unsafe)")
    let other = SourceText(path: "Sources/B.swift", text: "unsafe a.unsafelyUnwrapped; unsafe b")
    let fresh = SourceText(path: "Sources/C.swift", text: "nonisolated(unsafe) var c: Int")
    let findings = agreed.findings(for: UnsafeLedger(counting: [pointer, other, fresh]))
    #expect(findings.map(\.file) == ["Sources/A.swift", "Sources/C.swift"])
    let lower = agreed.findings(for: UnsafeLedger(counting: [other]))
    #expect(lower.map(\.file) == ["Sources/A.swift"])
    #expect(UnsafeLedger(agreed.text).counts == agreed.counts)
  }

  @Test func `every rule is held against every file`() {
    let file = frames(
      """
      import Tessera
      import CTessera
      #if DEBUG
      let a = unsafe word.load(ordering: .relaxed)  // TO\("DO")
      // S\("3.1")
      \(String(repeating: "a", count: 101))
      struct C { func b() {
      \(String(repeating: "\n", count: 400))}}
      """)
    #expect(Set(lines(Tidy.findings(in: file))) == [1, 2, 3, 4, 5, 6, 7, 408])
    #expect(Tidy.findings(in: file).count == 11)
  }
}

/// The text that the rules check.
@Suite("The scanner") struct SwiftScannerTests {
  private func scan(_ text: String) -> SourceText { SourceText(path: "A.swift", text: text) }

  @Test func `a comment is kept apart from the code`() {
    let line = scan("let a = 1  // why").lines[0]
    #expect(line.statement == "let a = 1")
    #expect(line.comment == " why")
  }

  @Test func `a nested comment ends with its last mark`() {
    let file = scan("/* a /* b\n */ c */ let d = 1")
    #expect(file.lines.map(\.statement) == ["", "let d = 1"])
    #expect(file.lines[0].comment == " a  b")
  }

  @Test(arguments: [
    #"let a = "b // c""#, ##"let a = #"b " // c"#"##, "let a = \"\"\"\n b \" // c\n \"\"\"",
    #"let a = "\"// c""#,
  ])
  func `a literal has no comment`(text: String) {
    #expect(scan(text).lines.allSatisfy { $0.comment.isEmpty })
    #expect(scan(text + " // d").lines.last?.comment == " d")
  }

  @Test func `the code of an interpolation is code`() {
    let line = scan(#"let a = "b \(c("d", (e))) f" + g"#).lines[0]
    #expect(line.code == #"let a = "\(c("", (e)))" + g"#)
  }

  @Test func `a line break that a literal leaves out ends a line all the same`() {
    let lines = SourceText(path: "A.swift", text: "let a = \"\"\"\n  b\\\n  c\n  \"\"\"").lines
    #expect(lines.map(\.text) == ["let a = \"\"\"", "  b\\", "  c", "  \"\"\""])
  }

  @Test func `lines are counted as an editor counts them`() {
    #expect(scan("a\nb\n").lines.map(\.text) == ["a", "b", ""])
  }
}
