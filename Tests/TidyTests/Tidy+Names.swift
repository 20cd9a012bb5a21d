extension Tidy {
  /// A file is called after its main type, and after the topic if it holds one part of it.
  static func namesThatDiffer(in file: SourceText) -> [Finding] {
    let stem = file.fileName.dropLast(".swift".count)
    guard stem != "Package", !file.path.contains("/Snippets/") else { return [] }
    if let plus = stem.firstIndex(of: "+") {
      let type = stem[..<plus]
      if declares(file, type, with: ["extension"]) { return [] }
      return [file.finding(at: 0, "extend `\(type)` here, or call the file after what it holds")]
    }
    let kinds: Set<Substring> = ["struct", "enum", "class", "actor", "protocol", "typealias"]
    if declares(file, stem, with: kinds) { return [] }
    // A file of free functions alone has no type to be called after.
    let hasType = file.lines.contains { line in
      words(in: line.code).contains { kinds.contains($0) }
    }
    guard hasType, stem != "Main" else { return [] }
    // A file may also be called after the free function that it is about, such as `main`.
    let function = stem.prefix(1).lowercased() + stem.dropFirst()
    if declares(file, function[...], with: ["func"]) { return [] }
    return [file.finding(at: 0, "declare `\(stem)` here, or call the file after its main type")]
  }

  private static func declares(
    _ file: SourceText, _ name: Substring, with keywords: Set<Substring>
  ) -> Bool {
    file.lines.contains { line in
      let words = words(in: line.code)
      return zip(words, words.dropFirst()).contains { keywords.contains($0) && $1 == name }
    }
  }

  /// What is not finished is not on the main branch.
  static func unfinishedWork(in file: SourceText) -> [Finding] {
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    return file.lines.indices.compactMap { index in
      guard let mark = words(in: file.lines[index].text).first(where: { marks.contains("\($0)") })
      else { return nil }
      return file.finding(at: index, "no `\(mark)`: do it, or leave the sentence out")
    }
  }

  /// The project speaks of itself alone: no paths of one machine, no numbers of a private list.
  static func wordsOfTheWorkplace(in file: SourceText) -> [Finding] {
    file.lines.indices.compactMap { index in
      let text = file.lines[index].text
      if text.contains("/" + "work/") {
        return file.finding(at: index, "a path of one machine; say where it is in the checkout")
      }
      guard let number = text.split(whereSeparator: isNoPartOfNumber).first(where: isListNumber)
      else { return nil }
      return file.finding(at: index, "`\(number)` is a number of a list; say what it stands for")
    }
  }

  private static func isNoPartOfNumber(_ character: Character) -> Bool {
    !(character.isLetter || character.isNumber || character == "_" || character == ".")
  }

  /// A letter S and two numbers with a dot between, or a letter V and a number up to 99.
  private static func isListNumber(_ word: Substring) -> Bool {
    var word = word
    while word.last == "." { word.removeLast() }
    let digits = word.dropFirst()
    if word.first == "V" { return 1...2 ~= digits.count && digits.allSatisfy(\.isNumber) }
    guard word.first == "S" else { return false }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isNumber) }
  }

  /// What stands at the top of the checkout is fixed.
  static func strangersAtTheTop(of paths: [String]) -> [Finding] {
    let entries = Set(paths.compactMap { $0.split(separator: "/").first })
    let strangers = entries.subtracting(topLevel).filter { !$0.hasPrefix(".") }
    let missing = topLevel.subtracting(entries)
    return strangers.sorted().map {
      Finding(file: String($0), line: 1, advice: "does not belong at the top of the checkout")
    }
      + missing.sorted().map {
        Finding(file: String($0), line: 1, advice: "is missing at the top of the checkout")
      }
  }

  /// The README has a line for each folder under `Sources` and `Tests`.
  static func foldersWithoutLine(in readme: SourceText, of paths: [String]) -> [Finding] {
    let folders = Set(
      paths.compactMap { path -> String? in
        let parts = path.split(separator: "/")
        guard parts.count > 2, ["Sources", "Tests"].contains(parts[0]) else { return nil }
        return "\(parts[0])/\(parts[1])"
      })
    return folders.sorted().filter { folder in
      !readme.lines.contains { $0.text.contains("`\(folder)`") }
    }.map { Finding(file: readme.path, line: 1, advice: "say in a line what `\($0)` is for") }
  }
}
