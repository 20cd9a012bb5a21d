import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `VmSpace.findFree`, also against a search page by page.
  @Suite("Free addresses") struct FindFreeTests {
    let machine: SimulatedMachine
    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let oneGiB = PageSize.oneGiB.byteCount

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
    }

    private func find(
      _ byteCount: UInt64, _ alignment: UInt64 = 4096, from hint: UInt64,
      in space: borrowing VmSpace
    ) throws -> UInt64? {
      try space.findFree(byteCount: byteCount, alignedTo: alignment, from: VirtualAddress(hint))?
        .rawValue
    }

    @Test func `an empty space is free from the hint on, and page 0 only for a hint of 0`() throws {
      let space = try VmSpace()
      let (start, end) = (VmSpace.start.rawValue, VmSpace.end.rawValue)
      #expect(try find(4096, from: 0, in: space) == 0)
      #expect(try find(end - start, from: 0, in: space) == 0)
      #expect(try find(end - start, from: 1, in: space) == nil)
      #expect(try find(end - start + 4096, from: 0, in: space) == nil)
      #expect(try find(4096, from: 1, in: space) == 4096)
      #expect(try find(4096, from: 0x12345, in: space) == 0x13000)
      #expect(try find(4096, Self.oneGiB, from: 0x12345, in: space) == Self.oneGiB)
      #expect(try find(4096, from: end - 4096, in: space) == end - 4096)
      #expect(try find(8192, from: end - 4096, in: space) == 4096, "from the start")
      for hint in [end, end + 4096, 1 << 63, .max] {
        #expect(try find(4096, from: hint, in: space) == 4096)
      }
      #expect(try find(4096, 1 << 63, from: 4096, in: space) == nil)
      #expect(machine.violations == [])
    }

    @Test func `mapped pages, statuses and large pages are not free`() throws {
      let space = try VmSpace()
      let place = Self.oneGiB
      try mapFrame(at: place + 0x3000, in: space)
      try mark(place + 0x5000, 4096, as: 1, in: space)
      try mapDevice(at: place + Self.twoMiB, 0x1_0000_0000, Self.twoMiB, in: space)
      #expect(try find(0x3000, from: place, in: space) == place)
      #expect(try find(0x4000, from: place, in: space) == place + 0x6000)
      #expect(try find(0x1000, from: place + 0x3000, in: space) == place + 0x4000)
      #expect(try find(0x2000, from: place + 0x3000, in: space) == place + 0x6000)
      #expect(try find(Self.twoMiB, from: place, in: space) == place + 2 * Self.twoMiB)
      #expect(
        try find(4096, Self.twoMiB, from: place + 1, in: space) == place + 2 * Self.twoMiB)
      #expect(try find(4096, Self.oneGiB, from: place + 1, in: space) == 2 * Self.oneGiB)
    }

    @Test func `what is found below the hint may reach beyond it`() throws {
      let space = try VmSpace()
      let end = VmSpace.end.rawValue
      try mark(0, 0x8000, as: 1, in: space)
      try mark(0xa000, end - 0xa000, as: 1, in: space)
      #expect(try find(0x2000, from: 0x9000, in: space) == 0x8000)
      #expect(try find(0x2000, from: 0xa000, in: space) == 0x8000)
      #expect(try find(0x2000, 0x4000, from: 0xb000, in: space) == 0x8000)
      #expect(try find(0x1000, from: 0x9000, in: space) == 0x9000)
      #expect(try find(0x3000, from: 0x9000, in: space) == nil)
      #expect(try find(0x1000, 0x4000, from: 0x8001, in: space) == 0x8000)
    }

    @Test func `invalid requests are errors`() throws {
      let space = try VmSpace()
      #expect(throws: TesseraError.empty) { try find(0, from: 0, in: space) }
      #expect(throws: TesseraError.notAligned) { try find(4097, from: 0, in: space) }
      for alignment: UInt64 in [0, 1, 2048, 0x3000, .max] {
        #expect(throws: TesseraError.notAligned) { try find(4096, alignment, from: 0, in: space) }
      }
    }

    @Test(.seeded(1)) func `the first free address is found`() throws {
      let space = try VmSpace()
      var random = SplitMix(seed: Seed.current)
      // On both sides of a border of 1 GiB.
      let (start, pageCount) = (Self.oneGiB - 512 * 4096, 1024)
      var used = [Bool](repeating: false, count: pageCount)
      for _ in 0..<40 {
        let first = Int.random(in: 0..<pageCount, using: &random)
        let count = min(pageCount - first, Int.random(in: 1...40, using: &random))
        guard !used[first..<first + count].contains(true) else { continue }
        for page in first..<first + count { used[page] = true }
        try mark(start + UInt64(first) * 4096, UInt64(count) * 4096, as: 1, in: space)
      }
      for _ in 0..<300 {
        let hint = Int.random(in: 0..<pageCount, using: &random)
        let count = Int.random(in: 1...30, using: &random)
        let alignment = 1 << Int.random(in: 0...5, using: &random)
        let expected = (hint..<2 * pageCount).first { page in
          page % alignment == 0 && !(page..<page + count).contains { $0 < pageCount && used[$0] }
        }
        let found = try find(
          UInt64(count) * 4096, UInt64(alignment) * 4096, from: start + UInt64(hint) * 4096,
          in: space)
        #expect(found == expected.map { start + UInt64($0) * 4096 })
      }
    }
  }
}
