extension Tidy {
  static func filesThatAreTooLong(in file: SourceText) -> [Finding] {
    let count = file.lines.last.map { $0.text.isEmpty ? file.lines.count - 1 : file.lines.count }
    guard let count, count > longestFile else { return [] }
    return [
      file.finding(
        at: count - 1,
        "the file has \(count) lines, at most \(longestFile) are allowed; move a topic out")
    ]
  }

  static func functionsThatAreTooLong(in file: SourceText) -> [Finding] {
    Declaration.all(in: file).filter { $0.lines.count > longestFunction }.map {
      file.finding(
        at: $0.lines.lowerBound,
        "\($0.lines.count) lines, at most \(longestFunction) are allowed; name the parts")
    }
  }

  /// For what people write by hand; the formatter keeps Swift, and JSON was printed by a kernel.
  static func linesThatAreTooLong(in file: SourceText) -> [Finding] {
    guard !file.path.hasSuffix(".json") else { return [] }
    return file.lines.indices.filter { file.lines[$0].text.count > longestLine }.filter {
      !isRowOfTable(file, $0)
    }.map {
      file.finding(
        at: $0,
        "\(file.lines[$0].text.count) columns, at most \(longestLine) are allowed")
    }
  }

  /// A row of a table in Markdown cannot be broken.
  private static func isRowOfTable(_ file: SourceText, _ index: Int) -> Bool {
    file.path.hasSuffix(".md") && file.lines[index].text.hasPrefix("|")
  }
}
