// swift-tools-version: 6.2
import PackageDescription

/// What every Swift module of the project is compiled with. The Makefile passes the same set.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests may use what the simulated machine gives them without marking it.
let forTests: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

// The host build: the library and its tests. The freestanding build, which makes the kernel and the
// archive from the same sources, is the Makefile.
let package = Package(
  name: "tessera",
  products: [
    .library(name: "Tessera", targets: ["Tessera"])
  ],
  targets: [
    .target(name: "CTessera"),
    .target(name: "TesseraHardware", dependencies: ["CTessera"], swiftSettings: strict),
    .target(name: "TesseraFrames", dependencies: ["TesseraHardware"], swiftSettings: strict),
    .target(
      name: "TesseraPageTables", dependencies: ["TesseraFrames", "TesseraHardware"],
      swiftSettings: strict),
    .target(
      name: "TesseraSpaces",
      dependencies: ["TesseraPageTables", "TesseraFrames", "TesseraHardware"],
      swiftSettings: strict),
    .target(
      name: "TesseraFaults",
      dependencies: ["TesseraSpaces", "TesseraPageTables", "TesseraFrames", "TesseraHardware"],
      swiftSettings: strict),
    .target(
      name: "TesseraBoot",
      dependencies: ["TesseraSpaces", "TesseraPageTables", "TesseraFrames", "TesseraHardware"],
      swiftSettings: strict),
    .target(
      name: "Tessera",
      dependencies: [
        "TesseraBoot", "TesseraFaults", "TesseraSpaces", "TesseraPageTables", "TesseraFrames",
        "TesseraHardware",
      ],
      swiftSettings: strict),
    .target(
      name: "TesseraC",
      dependencies: [
        "CTessera", "Tessera", "TesseraBoot", "TesseraFaults", "TesseraSpaces",
        "TesseraPageTables", "TesseraFrames", "TesseraHardware",
      ],
      swiftSettings: strict),

    .target(
      name: "SimulatedMachine", dependencies: ["CTessera", "Tessera", "TesseraFrames"],
      path: "Tests/SimulatedMachine", swiftSettings: forTests),
    .target(
      name: "TestSupport", dependencies: ["Tessera"], path: "Tests/TestSupport",
      swiftSettings: forTests),
    .target(
      name: "Scenarios",
      dependencies: ["TesseraSpaces", "TesseraPageTables", "TesseraFrames", "TesseraHardware"],
      path: "Tests/Scenarios", swiftSettings: strict),
    .target(
      name: "MultibootFuzz", dependencies: ["TesseraBoot", "TesseraFrames"],
      path: "Tests/Fuzz/Multiboot", exclude: ["run"], swiftSettings: forTests),
    .target(
      name: "CallFuzz", dependencies: ["CTessera", "Tessera", "TesseraC"],
      path: "Tests/Fuzz/CAPI", exclude: ["run", "CallFuzz.swift"], swiftSettings: forTests),

    .testTarget(
      name: "SimulatedMachineTests",
      dependencies: ["CTessera", "SimulatedMachine", "TesseraHardware"], swiftSettings: forTests),
    .testTarget(
      name: "TesseraHardwareTests",
      dependencies: ["TesseraHardware", "SimulatedMachine", "TestSupport"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraFramesTests",
      dependencies: ["Tessera", "TesseraFrames", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraPageTablesTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraSpacesTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport", "Scenarios"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraFaultsTests",
      dependencies: ["CTessera", "Tessera", "SimulatedMachine", "TestSupport"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraBootTests",
      dependencies: ["Tessera", "SimulatedMachine", "TestSupport", "MultibootFuzz"],
      swiftSettings: forTests),
    .testTarget(
      name: "TesseraCTests",
      dependencies: ["CallFuzz", "CTessera", "Tessera", "TesseraC", "SimulatedMachine"],
      swiftSettings: forTests),
    .testTarget(
      name: "MustNotCompileTests", dependencies: ["Tessera", "TesseraFrames"],
      path: "Tests/MustNotCompile", exclude: ["Snippets"]),
    .testTarget(name: "TidyTests", exclude: ["unsafe-words.txt"]),
  ],
  swiftLanguageModes: [.v6]
)
