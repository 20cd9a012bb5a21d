// swift-tools-version: 6.2
import PackageDescription

/// The modules of the library, lowest layer first. Each may import those before it.
///
/// The Makefile, the fuzz targets and the tidy tests read this list, by `boot/manifest`.
let library = [
  "TesseraHardware",
  "TesseraFrames",
  "TesseraPageTables",
  "TesseraSpaces",
  "TesseraHeap",
  "TesseraFaults",
  "TesseraPager",
  "TesseraBoot",
  "Tessera",
  "TesseraC",
]

/// The compiler settings of all Swift code that runs in a kernel. `boot/manifest` reads them too.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests may use unsafe parts of the simulated machine without marking each use.
let forTests: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

let libraryTargets: [Target] = library.indices.map { layer in
  .target(
    name: library[layer],
    dependencies: (["CTessera"] + library[..<layer]).map { .init(stringLiteral: $0) },
    swiftSettings: strict)
}

// The host build: the library and its tests. The Makefile builds the same sources for bare metal.
let package = Package(
  name: "tessera",
  products: [
    .library(name: "Tessera", targets: ["Tessera"])
  ],
  targets: [.target(name: "CTessera")] + libraryTargets + [
    .target(
      name: "SimulatedMachine",
      dependencies: ["CTessera", "Tessera", "TesseraFrames", "TesseraHeap", "TesseraPager"],
      path: "Tests/SimulatedMachine", swiftSettings: forTests),
    .target(
      name: "TestSupport", dependencies: ["Tessera"], path: "Tests/TestSupport",
      swiftSettings: forTests),
    .target(
      name: "Scenarios",
      dependencies: [
        "TesseraPager", "TesseraFaults", "TesseraHeap", "TesseraSpaces", "TesseraPageTables",
        "TesseraFrames", "TesseraHardware",
      ],
      path: "Tests/Scenarios", swiftSettings: strict),
    .target(
      name: "MultibootFuzz", dependencies: ["TesseraBoot", "TesseraFrames"],
      path: "Tests/Fuzz/Multiboot", exclude: ["run"], swiftSettings: forTests),
    .target(
      name: "CallFuzz", dependencies: ["CTessera", "Tessera", "TesseraC"],
      path: "Tests/Fuzz/CAPI", exclude: ["run", "CallFuzz.swift"], swiftSettings: forTests),
    .target(
      name: "DemoACPI", dependencies: ["TesseraBoot", "TesseraHardware"],
      path: "Sources/DemoPlatform/ACPI", swiftSettings: strict),
    .target(
      name: "DemoPCI", dependencies: ["TesseraHardware"],
      path: "Sources/DemoPlatform/PCI", swiftSettings: strict),
    .target(
      name: "DemoDisk", dependencies: ["TesseraFrames", "TesseraHardware"],
      path: "Sources/DemoPlatform/Disk/Queue", swiftSettings: strict),
    .target(name: "CallTrace", path: "Tests/Figures/CallTrace"),
    .executableTarget(
      name: "CallDepth",
      dependencies: [
        "CTessera", "CallFuzz", "CallTrace", "SimulatedMachine", "Tessera", "TesseraHardware",
      ],
      path: "Tests/Figures/CallDepth", swiftSettings: forTests),

    .testTarget(
      name: "SimulatedMachineTests",
      dependencies: ["CTessera", "SimulatedMachine", "TesseraHardware"], swiftSettings: forTests),
    .testTarget(
      name: "TesseraHardwareTests",
      dependencies: ["CTessera", "TesseraHardware", "SimulatedMachine", "TestSupport"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraFramesTests",
      dependencies: ["Tessera", "TesseraFrames", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraPageTablesTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraSpacesTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraHeapTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraFaultsTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraPagerTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraBootTests",
      dependencies: [
        "CTessera", "CallFuzz", "Tessera", "SimulatedMachine", "TestSupport", "MultibootFuzz",
      ],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraCTests",
      dependencies: [
        "CallFuzz", "CTessera", "Tessera", "TesseraC", "SimulatedMachine", "TestSupport",
      ],
      swiftSettings: forTests),
    .testTarget(
      name: "BulkTests",
      dependencies: ["CallFuzz", "MultibootFuzz", "SimulatedMachine", "Tessera", "TestSupport"],
      swiftSettings: forTests),
    .testTarget(
      name: "DemoACPITests",
      dependencies: [
        "DemoACPI", "TesseraBoot", "TesseraHardware", "MultibootFuzz", "TestSupport",
      ],
      swiftSettings: forTests),
    .testTarget(
      name: "DemoDiskTests",
      dependencies: [
        "DemoDisk", "DemoPCI", "SimulatedMachine", "Tessera", "TesseraFrames",
        "TesseraHardware", "MultibootFuzz", "TestSupport",
      ],
      swiftSettings: forTests),
    .testTarget(
      name: "MustNotCompileTests", dependencies: ["Tessera", "TesseraFrames"],
      path: "Tests/MustNotCompile", exclude: ["Snippets"]),
    .testTarget(
      name: "TidyTests",
      exclude: [
        "allowed-words.txt", "banned-words.txt", "remaining-words.txt", "unsafe-words.txt",
      ]),
    .testTarget(name: "PictureTests", exclude: ["memory.json"]),
  ],
  swiftLanguageModes: [.v6]
)

// With optimization or a sanitizer few tests are run, and the targets of the others would take most
// of the time of the build. `TESSERA_TEST_TARGETS` in the environment has the names of those that
// are built.
if let chosen = Context.environment["TESSERA_TEST_TARGETS"]?.split(separator: " ") {
  package.targets.removeAll { target in
    target.type == .test && !chosen.contains { $0 == target.name }
  }
}
