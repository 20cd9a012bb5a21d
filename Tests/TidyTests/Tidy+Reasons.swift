import Foundation

extension Tidy {
  /// Above each `unsafe` expression, in the same paragraph, a comment answers the duty; or the
  /// declaration around it is `@unsafe` and passes the duty on.
  static func unsafeWithoutReason(in file: SourceText) -> [Finding] {
    let passedOn = linesInsideUnsafeDeclarations(of: file)
    var hasReason = false
    return file.lines.indices.compactMap { index in
      let line = file.lines[index]
      if endsParagraph(line) { hasReason = false }
      if line.comment.contains("SAFETY:") || line.comment.contains("Access:") { hasReason = true }
      if hasReason || passedOn.contains(index) { return nil }
      if words(in: line.code).contains("unsafe") {
        return file.finding(at: index, "say above in a `// SAFETY:` comment why this is safe")
      }
      if line.code.contains("@unchecked") {
        return file.finding(at: index, "say above in a `// SAFETY:` comment what makes it so")
      }
      return nil
    }
  }

  /// Above each atomic operation, in the same paragraph, a comment names its partner.
  static func orderingsWithoutReason(in file: SourceText) -> [Finding] {
    var hasReason = false
    return file.lines.indices.compactMap { index in
      let line = file.lines[index]
      if endsParagraph(line) { hasReason = false }
      if line.comment.contains("Ordering:") { hasReason = true }
      guard !hasReason, isAtomicOperation(line.code) else { return nil }
      return file.finding(
        at: index, "name the partner of this atomic operation above in an `// Ordering:` comment")
    }
  }

  /// The number of words in the code of `file` that begin with `unsafe` or `Unsafe`.
  static func unsafeWordCount(in file: SourceText) -> Int {
    file.lines.reduce(0) { count, line in
      count + words(in: line.code).count { $0.hasPrefix("unsafe") || $0.hasPrefix("Unsafe") }
    }
  }

  /// A blank line and a closing brace end what a comment can speak for.
  private static func endsParagraph(_ line: SourceText.Line) -> Bool {
    line.isBlank || line.statement.hasPrefix("}")
  }

  /// A test that draws random numbers takes its seed from `Seed.current`, so that a failure can be
  /// repeated, and the test be run with many seeds.
  static func seedsOfTheirOwn(in file: SourceText) -> [Finding] {
    guard file.components[0] == "Tests", file.module?.hasSuffix("Tests") ?? false else { return [] }
    let takesSeed = file.lines.contains { $0.code.contains("Seed.current") }
    return file.lines.indices.compactMap { index in
      let code = file.lines[index].code
      let isFixed = code.range(of: "SplitMix[(]seed: [0-9]", options: .regularExpression) != nil
      let isMade = makersOfNumbers.contains { code.contains($0) }
      guard isFixed || code.contains("SystemRandomNumberGenerator") || (isMade && !takesSeed) else {
        return nil
      }
      return file.finding(at: index, "take the seed from `Seed.current`, in a test `.seeded`")
    }
  }

  /// What random numbers are made of: the generators of the tests, and a well-known multiplier.
  private static let makersOfNumbers = [
    "SplitMix(", "FuzzGenerator(", "RandomFrameOptions(", "RandomSpaceOptions(",
    "6_364_136_223_846_793_005",
  ]

  private static func isAtomicOperation(_ code: String) -> Bool {
    guard code.lowercased().contains("ordering: .") else { return false }
    return !words(in: code).contains("func")
  }

  /// The lines of declarations that are marked `@unsafe`, from the mark to the closing brace.
  private static func linesInsideUnsafeDeclarations(of file: SourceText) -> Set<Int> {
    var inside: Set<Int> = []
    for index in file.lines.indices {
      guard let mark = file.lines[index].code.range(of: "@unsafe") else { continue }
      let column = file.lines[index].code.distance(
        from: file.lines[index].code.startIndex, to: mark.lowerBound)
      let end = Declaration.end(in: file, line: index, column: column)
      inside.formUnion(index...end)
    }
    return inside
  }

  static func words(in code: String) -> [Substring] {
    code.split { !($0.isLetter || $0.isNumber || $0 == "_") }
  }
}
