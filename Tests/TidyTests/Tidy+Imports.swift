extension Tidy {
  /// A file may import only modules that stand before its own in the list of the layers.
  ///
  /// The package manager does not notice an import that goes the wrong way round a dependency of a
  /// dependency.
  static func importsUpwards(in file: SourceText) -> [Finding] {
    guard file.components[0] == "Sources", let module = file.module else { return [] }
    guard let own = layers.firstIndex(of: module) else {
      return [file.finding(at: 0, "`\(module)` has no layer: give it a place in `Tidy.layers`")]
    }
    return imports(in: file).compactMap { index, imported in
      guard let layer = layers.firstIndex(of: imported), own <= layer else { return nil }
      return file.finding(
        at: index, "`\(module)` may not import `\(imported)`, which is not below it; pass it in")
    }
  }

  /// Only one module touches the machine.
  static func importsOfTheSeam(in file: SourceText) -> [Finding] {
    guard file.module != neighbourOfTheSeam else { return [] }
    return imports(in: file).filter { $0.module == "CTessera" }.map { index, _ in
      file.finding(
        at: index, "only `\(neighbourOfTheSeam)` imports `CTessera`; add what you need there")
    }
  }

  /// Host and metal differ in the C header alone.
  static func conditionalCompilation(in file: SourceText) -> [Finding] {
    file.lines.indices.filter { file.lines[$0].statement.hasPrefix("#if") }.map {
      file.finding(at: $0, "no conditional compilation in Swift; hide the difference in `CTessera`")
    }
  }

  private static func imports(in file: SourceText) -> [(line: Int, module: Substring)] {
    file.lines.indices.compactMap { index in
      let words = file.lines[index].statement.split(separator: " ")
      guard let position = words.firstIndex(of: "import"), position + 1 < words.count else {
        return nil
      }
      return (index, words[words.count - 1].prefix { $0 != "." })
    }
  }
}
