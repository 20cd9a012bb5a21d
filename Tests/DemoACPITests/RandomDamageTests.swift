import DemoACPI
import Foundation
import MultibootFuzz
import TestSupport
import Testing

@Suite("Random damage to ACPI tables") struct RandomDamageTests {
  private static let runCount =
    ProcessInfo.processInfo.environment["TESSERA_FUZZ_RUNS"].flatMap { Int($0) }
    ?? Seed.rounds(5_000, ofRange: 100)

  @Test(.seeded(1)) func `any bytes are refused or result in a valid list`() {
    var accepted = 0
    for run in 0..<Self.runCount {
      // Each run has its own seed, so that a failing one can be run alone.
      var generator = FuzzGenerator(seed: Seed.current &+ UInt64(run) << 20)
      var image = FirmwareImage(random: &generator)
      image.damage(&generator)
      // Its reads outside of the image find nothing, and more reads than any table needs end the
      // test.
      let memory = image.memory
      // A search takes as long as a hundred lists.
      let isKnown = Int.random(in: 0..<32, using: &generator) > 0
      let place = isKnown ? FirmwareImage.rootPointer : nil
      guard let found = try? InterruptControllers(in: memory, rootPointer: place) else { continue }
      accepted += 1
      let ids = found.ids
      if Set(ids).count != ids.count || ids.isEmpty || ids.count > InterruptControllers.capacity
        || memory.readCount > 1_000_000
      {
        Issue.record("run \(run) of seed \(Seed.current): \(ids), \(memory.readCount) reads")
        return
      }
    }
    if !Seed.isRange { print("acpi: \(accepted) accepted, \(Self.runCount - accepted) refused") }
    // The test is only meaningful if both outcomes are frequent.
    #expect(accepted > Self.runCount / 10 && Self.runCount - accepted > Self.runCount / 10)
  }
}

extension FirmwareImage {
  /// Well-formed tables with random entries.
  fileprivate init(random generator: inout FuzzGenerator) {
    let entries = (0..<Int.random(in: 1..<12, using: &generator)).map { index -> Entry in
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: return .x2APIC(id: UInt32(index), flags: 1)
      case 1: return .addressOverride(UInt64.random(in: 0...(.max), using: &generator))
      case 2: return .other(type: UInt8(index), [UInt8](repeating: 1, count: 14))
      default: return .localAPIC(id: UInt8(index), flags: 1)
      }
    }
    self.init(revision: UInt8.random(in: 0...2, using: &generator), entries)
  }

  /// Damages up to five places of the tables, and mends most checksums.
  fileprivate mutating func damage(_ generator: inout FuzzGenerator) {
    let tables = [
      (Self.rootPointer, 36), (Self.list, 56), (Self.controllers, 200),
    ]
    let delicate: [UInt8] = [0, 1, 2, 7, 8, 9, 12, 16, 0x7f, 0x80, 0xff]
    for _ in 0..<Int.random(in: 0..<6, using: &generator) {
      let table = tables[Int.random(in: 0..<3, using: &generator)]
      let place = table.0 + UInt64.random(in: 0..<UInt64(table.1), using: &generator)
      let value =
        Bool.random(using: &generator)
        ? delicate[Int.random(in: 0..<delicate.count, using: &generator)]
        : UInt8.random(in: 0...255, using: &generator)
      put([value], at: place)
    }
    guard Int.random(in: 0..<8, using: &generator) > 0 else { return }
    mend(Self.rootPointer, byteCount: 20, by: 8)
    mend(Self.rootPointer, byteCount: 36, by: 32)
    for table in [Self.list, Self.controllers] {
      let byteCount = claimedByteCount(of: table)
      if (36..<0x1000).contains(byteCount) { mend(table, byteCount: byteCount, by: 9) }
    }
  }
}
