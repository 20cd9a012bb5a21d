/// The style rules that no compiler enforces. Each is a function over one text, so that a test
/// can give it a text that breaks it.
enum Tidy {
  /// The modules, lowest first. A file imports only modules that stand before its own.
  static let layers: [Substring] =
    ["CTessera"] + Checkout.current.library.dropLast()
    + ["TesseraHeader", "TesseraC", "DemoPlatform", "DemoKernel"]

  /// The one module that may import the seam to the machine.
  static let neighbourOfTheSeam: Substring = "TesseraHardware"

  /// Modules outside `Sources` whose code runs in a kernel too, and so keeps the kernel's rules.
  static let freestandingTests: Set<Substring> = ["Scenarios", "GuestSuite"]

  /// The entries at the top of the checkout, beside those whose names start with a dot.
  static let topLevel: Set<Substring> = [
    "Package.swift", "Sources", "Tests", "linker", "boot", "Makefile", "README.md",
  ]

  static let longestFile = 400
  static let longestFunction = 70
  static let longestLine = 100

  /// Whether the kernel's rules hold for `file`: it is Swift that is compiled for the metal.
  static func isFreestanding(_ file: SourceText) -> Bool {
    guard file.path.hasSuffix(".swift"), let module = file.module else { return false }
    return file.components[0] == "Sources" || freestandingTests.contains(module)
  }

  /// Everything that one file can be blamed for.
  static func findings(in file: SourceText) -> [Finding] {
    var findings = linesThatAreTooLong(in: file) + unfinishedWork(in: file)
    findings += wordsOfTheWorkplace(in: file)
    guard file.path.hasSuffix(".swift") else { return findings }
    findings += filesThatAreTooLong(in: file) + functionsThatAreTooLong(in: file)
    findings += namesThatDiffer(in: file) + importsUpwards(in: file) + seedsOfTheirOwn(in: file)
    guard isFreestanding(file) else { return findings }
    findings += conditionalCompilation(in: file) + importsOfTheSeam(in: file)
    findings += unsafeWithoutReason(in: file) + orderingsWithoutReason(in: file)
    return findings
  }
}
