import Foundation

/// Compiles a program as a client outside the package does, against the modules that the running
/// tests were built with.
struct ClientCompiler {
  enum Failure: Error, CustomStringConvertible {
    case noModules(String)

    var description: String {
      switch self {
      case .noModules(let path): "no TesseraFrames.swiftmodule in \(path); was the layout changed?"
      }
    }
  }

  /// What became of a program.
  struct Outcome {
    let compiles: Bool
    /// What the compiler said, one diagnostic after another.
    let diagnostics: String
  }

  private let compiler: String
  private let modules: URL
  private let seam: URL

  init() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    seam = root.appending(path: "Sources/CTessera/include")
    modules = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "Modules")
    let frames = modules.appending(path: "TesseraFrames.swiftmodule").path
    guard FileManager.default.fileExists(atPath: frames) else {
      throw Failure.noModules(modules.path)
    }
    compiler = Self.compilerBesideTheBuilder() ?? "swiftc"
  }

  /// Compiles `program` up to the checks of ownership, which come after those of types.
  func compile(_ program: String, named name: String) throws -> Outcome {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tessera-client-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let source = folder.appending(path: "\(name).swift")
    try program.write(to: source, atomically: true, encoding: .utf8)

    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    let arguments = ["-I", modules.path, "-I", seam.path, source.path]
    process.arguments = [compiler] + Self.flags + arguments
    let output = Pipe()
    process.standardError = output
    process.standardOutput = output
    try process.run()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      compiles: process.terminationStatus == 0, diagnostics: String(decoding: said, as: UTF8.self))
  }

  /// The settings of a strict client: those of the package, without its name.
  private static let flags = [
    "-emit-sil", "-o", "/dev/null", "-parse-as-library", "-module-name", "Client",
    "-swift-version", "6", "-strict-memory-safety", "-warnings-as-errors",
    "-enable-experimental-feature", "Lifetimes", "-enable-upcoming-feature", "ExistentialAny",
    "-enable-upcoming-feature", "InternalImportsByDefault",
    "-enable-upcoming-feature", "MemberImportVisibility", "-diagnostic-style", "llvm",
  ]

  /// The compiler in the folder of the program that started the tests: it may not be on the path.
  private static func compilerBesideTheBuilder() -> String? {
    let builder = URL(filePath: "/proc/\(getppid())/exe").resolvingSymlinksInPath()
    let path = builder.deletingLastPathComponent().appending(path: "swiftc").path
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }
}
