import Scenarios
import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPager

extension OnSimulatedMachine {
  /// A machine that stops at any moment: what was said to be in the store is there.
  @Suite("Stores after a crash") struct StoreCrashTests {
    let machine: SimulatedMachine
    private static let place: UInt64 = 1 << 30
    private static let pageCount: UInt64 = 12

    init() throws {
      machine = SimulatedMachine(frameCount: 600, processorCount: 1)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// What a program may count on, and what it has written.
    private struct Versions {
      /// Of each page, the version that was there when the store was last complete, and the last
      /// one that was written.
      var synchronized = [UInt64](repeating: 0, count: Int(pageCount))
      var written = [UInt64](repeating: 0, count: Int(pageCount))
      /// How often a page of the store was compared.
      var comparisons = 0

      /// Checks the store, as it is found after a crash at this moment.
      mutating func compare(_ file: TestStore) {
        for page in 0..<Int(pageCount) {
          let words = file.pages[UInt64(page) * 4096] ?? Array(repeating: 0, count: 512)
          let found = words[0]
          #expect(
            synchronized[page] <= found && found <= written[page],
            "page \(page) has version \(found), and was written to \(synchronized[page])")
          // A program writes both words in one go: no write of the store comes between.
          #expect(words[511] == found)
          comparisons += 1
        }
      }
    }

    /// Lets a program write and synchronize a file, and reclaims its pages, with the machine
    /// stopped at any moment: what comes later is not in the store. Returns how often a page of the
    /// store was compared.
    private func play(_ run: UInt64, slowly isSlow: Bool) throws -> Int {
      let file = TestStore()
      (file.isSlow, file.copiesLate, file.reorders) = (isSlow, isSlow, isSlow)
      var versions = Versions()
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: Self.pageCount * 4096, store: file.pageStore)
        let range = bytes(Self.place, Self.pageCount * 4096)
        try space.map(object, at: range, as: .userReadWrite.with(isShared: true))
        var program = program
        program.store = file
        var random = SplitMix(seed: Seed.current &+ run)
        var next: UInt64 = 1
        for _ in 0..<120 {
          let page = random.next() % Self.pageCount
          switch random.next() % 8 {
          case 0:
            var result = object.synchronize()
            while !result.isComplete {
              versions.compare(file)
              file.finish { random.next() % 2 == 0 }
              result = object.synchronize()
            }
            versions.synchronized = versions.written
          case 1: Pager.reclaim(Int(random.next() % 4))
          case 2: file.finish { random.next() % 2 == 0 }
          default:
            try program.write(next, at: Self.place + page * 4096, in: space)
            try program.write(next, at: Self.place + page * 4096 + 4088, in: space)
            versions.written[Int(page)] = next
            next += 1
          }
          versions.compare(file)
        }
        file.finishAll()
      }
      return versions.comparisons
    }

    @Test(.seeded(20_261_201), arguments: [false, true])
    func `what was synchronized is in the store, whenever the machine stops`(
      isSlow: Bool
    ) throws {
      var count = 0
      for run in 0..<20 as Range<UInt64> { count += try play(run, slowly: isSlow) }
      #expect(count > 20 * 120 * 12 - 1)
    }
  }
}
