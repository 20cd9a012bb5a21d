import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// `VmSpace.residentByteCount` and `VmSpace.harvest`.
  @Suite("Use of ranges") struct RangeUsageTests {
    let machine: SimulatedMachine
    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let place: UInt64 = 1 << 30
    private static let used = PageProperty.userReadWrite.with(isAccessed: true, isDirty: true)

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
    }

    /// A space with a page that was used, one without access, a large page that was used, a device
    /// and a status.
    private func makeSpace() throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: Self.place, in: space, as: Self.used)
      try mapFrame(at: Self.place + 0x2000, in: space, as: PageProperty(.none, isUser: true))
      try mark(Self.place + 0x4000, 0x2000, as: 1, in: space)
      try mapDevice(at: Self.place + 0x8000, 0x40_0000_0000, 0x3000, in: space)
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      try space.withCursor(over: bytes(Self.place + Self.twoMiB, Self.twoMiB)) {
        cursor throws(TesseraError) in
        try cursor.map(&frame, as: Self.used)
      }
      return space
    }

    private func resident(
      _ start: UInt64, _ byteCount: UInt64, in space: borrowing VmSpace
    ) throws -> UInt64 {
      try space.residentByteCount(in: bytes(start, byteCount))
    }

    private func harvest(_ bits: AccessBits, in space: borrowing VmSpace) throws -> [UInt64] {
      let found = try space.harvest(in: bytes(0, 1 << 46), clearing: bits)
      return [found.accessed, found.dirty]
    }

    @Test func `bytes of frames that mappings own are resident`() throws {
      let space = try makeSpace()
      #expect(try resident(0, 1 << 46, in: space) == 0x2000 + Self.twoMiB)
      #expect(try resident(Self.place, 4096, in: space) == 4096)
      #expect(try resident(Self.place + 0x1000, 0x10000, in: space) == 4096, "without access")
      #expect(try resident(Self.place + 0x4000, 0x10000, in: space) == 0, "a status and a device")
      #expect(try resident(Self.place + Self.twoMiB + 0x1000, 0x3000, in: space) == 0x3000)
      #expect(throws: TesseraError.empty) { try resident(Self.place, 0, in: space) }
      #expect(throws: TesseraError.notAligned) { try resident(Self.place, 1, in: space) }
      #expect(throws: TesseraError.outOfBounds) {
        try resident(VmSpace.end.rawValue, 4096, in: space)
      }
    }

    @Test func `each bit is counted, and cleared only if asked for`() throws {
      let space = try makeSpace()
      let all = 0x1000 + Self.twoMiB
      #expect(try harvest(.none, in: space) == [all, all])
      #expect(try harvest(.accessed, in: space) == [all, all])
      #expect(try harvest(.accessed, in: space) == [0, all])
      #expect(try harvest(.both, in: space) == [0, all])
      #expect(try harvest(.none, in: space) == [0, 0])
      #expect(machine.violations == [])
    }

    @Test(arguments: [AccessBits.none, .both])
    func `a large page that is only partly in the range counts whole`(bits: AccessBits) throws {
      let space = try makeSpace()
      let found = try space.harvest(
        in: bytes(Self.place + Self.twoMiB + 0x1000, 0x1000), clearing: bits)
      #expect(found == (Self.twoMiB, Self.twoMiB))
      #expect(throws: TesseraError.empty) { try space.harvest(in: bytes(0, 0), clearing: bits) }
    }
  }
}
