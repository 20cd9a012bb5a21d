import Foundation

/// The files that belong to the project: what git tracks or would track, or, where there is no git,
/// everything but what is built.
struct Checkout {
  let root: URL
  /// Paths from the top, sorted.
  let paths: [String]

  /// The checkout that this file was compiled in.
  static let current: Checkout = {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return Checkout(root: root, paths: listedByGit(at: root) ?? listedByFolder(at: root))
  }()

  /// Every text that is Swift.
  var swiftFiles: [SourceText] { paths.filter { $0.hasSuffix(".swift") }.compactMap(read) }

  /// Every text there is.
  var allFiles: [SourceText] { paths.compactMap(read) }

  /// The file at `path`, or nil if it is not there or not text.
  func read(_ path: String) -> SourceText? {
    guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else {
      return nil
    }
    return SourceText(path: path, text: text)
  }

  /// The modules of the library, lowest layer first, as Package.swift lists them.
  var library: [Substring] {
    guard let manifest = read("Package.swift") else { return [] }
    let lines = manifest.lines.map(\.text)
    guard let start = lines.firstIndex(of: "let library = [") else { return [] }
    return lines[(start + 1)...].prefix { $0 != "]" }.map {
      $0.drop { !$0.isLetter }.prefix { $0.isLetter }
    }
  }

  private static func listedByGit(at root: URL) -> [String]? {
    let git = Process()
    git.executableURL = URL(filePath: "/usr/bin/env")
    git.arguments = [
      "git", "-C", root.path, "ls-files", "--cached", "--others", "--exclude-standard",
    ]
    let output = Pipe()
    git.standardOutput = output
    git.standardError = FileHandle.nullDevice
    guard (try? git.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    guard git.terminationStatus == 0 else { return nil }
    let names = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    return Set(names).sorted().filter {
      FileManager.default.fileExists(atPath: root.appending(path: $0).path)
    }
  }

  private static func listedByFolder(at root: URL) -> [String] {
    let names = FileManager.default.enumerator(atPath: root.path)
    var paths: [String] = []
    while let name = names?.nextObject() as? String {
      if name == ".git" || name == "build" || name.hasPrefix(".build") {
        names?.skipDescendants()
      } else if names?.fileAttributes?[.type] as? FileAttributeType == .typeRegular {
        paths.append(name)
      }
    }
    return paths.sorted()
  }
}
