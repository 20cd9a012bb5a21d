/// Which folders of a module use types that another folder of the module declares.
///
/// The files beside the folders belong to none of them.
struct FolderGraph {
  /// The folders that each folder uses, with an example.
  private var uses: [String: [String: String]] = [:]

  private static let keywords: Set<Substring> = [
    "struct", "enum", "protocol", "class", "typealias",
  ]

  init(of files: [SourceText]) {
    var folders: [String: String] = [:]
    for file in files {
      guard let folder = Self.folder(of: file) else { continue }
      for line in file.lines {
        let words = Tidy.words(in: line.code)
        guard !words.contains("private") else { continue }
        for (keyword, name) in zip(words, words.dropFirst()) where Self.keywords.contains(keyword) {
          folders["\(file.module ?? "")/\(name)"] = folder
        }
      }
    }
    for file in files {
      guard let folder = Self.folder(of: file) else { continue }
      for line in file.lines {
        for word in Tidy.words(in: line.code) {
          guard let other = folders["\(file.module ?? "")/\(word)"], other != folder else {
            continue
          }
          uses[folder, default: [:]][other] = "`\(word)` in \(file.fileName)"
        }
      }
    }
  }

  private static func folder(of file: SourceText) -> String? {
    let parts = file.path.split(separator: "/")
    guard parts.count > 3, parts[0] == "Sources" else { return nil }
    return parts[0..<3].joined(separator: "/")
  }

  /// A finding for each use that is part of a cycle.
  var cycles: [Finding] {
    func reaches(_ start: String, _ end: String) -> Bool {
      var pending = [start]
      var seen: Set<String> = [start]
      while let folder = pending.popLast() {
        if folder == end { return true }
        for next in (uses[folder] ?? [:]).keys where seen.insert(next).inserted {
          pending.append(next)
        }
      }
      return false
    }
    return uses.keys.sorted().flatMap { folder in
      (uses[folder] ?? [:]).sorted { $0.key < $1.key }.filter {
        reaches($0.key, folder)
      }.map {
        Finding(
          file: folder, line: 1, advice: "uses \($0.key), which uses it in turn: \($0.value)")
      }
    }
  }
}
