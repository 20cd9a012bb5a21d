import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// An operation of a page mapper on a space that `PageMapperErrorTests` has prepared.
private struct FailingOperation: CustomTestStringConvertible, Sendable {
  typealias Call = @Sendable (borrowing PageMapper) throws(TesseraError) -> Void

  let testDescription: String
  let error: TesseraError
  let call: Call

  init(_ testDescription: String, _ error: TesseraError, _ call: @escaping Call) {
    self.testDescription = testDescription
    self.error = error
    self.call = call
  }

  private static let place: UInt64 = 1 << 30
  private static let twoMiB = PageSize.twoMiB.byteCount
  private static let small = VirtualAddress(place)
  private static let large = VirtualAddress(place + twoMiB)
  private static let inLarge = VirtualAddress(place + twoMiB + 0x5000)
  private static let last = VirtualAddress(place + 3 * twoMiB)
  private static let device = PhysicalAddress(0x40_0000_0000)

  /// The space has a page of 4 KiB at `small` and one of 2 MiB at `large`; the mapper's range ends
  /// in the middle of a page of 2 MiB at `last`, and there is a status behind `large`.
  static func prepare(_ space: borrowing VmSpace) throws -> Range<VirtualAddress> {
    try mapFrame(at: small.rawValue, in: space)
    try PageSizeChangeAt.mapLarge(at: large.rawValue, in: space)
    try PageSizeChangeAt.mapLarge(at: last.rawValue, in: space)
    try mark(place + 2 * twoMiB, 4096, as: 7, in: space)
    return small..<VirtualAddress(last.rawValue + twoMiB / 2)
  }

  static let all: [FailingOperation] = [
    .init("mapping over a small page", .alreadyMapped(small)) {
      (mapper) throws(TesseraError) in try mapper.map(small, as: .userReadWrite).flush()
    },
    .init("mapping over a large page", .alreadyMapped(large)) {
      (mapper) throws(TesseraError) in
      try mapper.map(large, of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("mapping a small page inside a large one", .alreadyMapped(inLarge)) {
      (mapper) throws(TesseraError) in try mapper.map(inLarge, as: .userReadWrite).flush()
    },
    .init("mapping a large page over a small one", .alreadyMapped(small)) {
      (mapper) throws(TesseraError) in
      try mapper.map(small, of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("mapping device memory over a page", .alreadyMapped(small)) {
      (mapper) throws(TesseraError) in
      try unsafe mapper.mapDevice(device, at: small, as: .userReadWrite).flush()
    },
    .init("mapping large device memory over a small page", .alreadyMapped(small)) {
      (mapper) throws(TesseraError) in
      try unsafe mapper.mapDevice(device, at: small, of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("mapping the caller's large frame over a small page", .alreadyMapped(small)) {
      (mapper) throws(TesseraError) in
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      try mapper.map(&frame, at: small, as: .userReadWrite).flush()
    },
    .init("mapping at part of a page", .notAligned) { (mapper) throws(TesseraError) in
      try mapper.map(VirtualAddress(place + 0x5008), as: .userReadWrite).flush()
    },
    .init("mapping a large page at a multiple of 4 KiB", .notAligned) {
      (mapper) throws(TesseraError) in
      try mapper.map(VirtualAddress(place + 0x5000), of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("mapping large device memory at a multiple of 4 KiB", .notAligned) {
      (mapper) throws(TesseraError) in
      let page = VirtualAddress(place + 2 * twoMiB)
      try unsafe mapper.mapDevice(device + 4096, at: page, of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("mapping outside of the range", .outOfBounds) { (mapper) throws(TesseraError) in
      try mapper.map(VirtualAddress(place - 4096), as: .userReadWrite).flush()
    },
    .init("mapping at the end of the range", .outOfBounds) { (mapper) throws(TesseraError) in
      try mapper.map(VirtualAddress(last.rawValue + twoMiB / 2), as: .userReadWrite).flush()
    },
    .init("mapping a large page partly outside of the range", .outOfBounds) {
      (mapper) throws(TesseraError) in
      try mapper.map(last, of: .twoMiB, as: .userReadWrite).flush()
    },
    .init("changing nothing", .notMapped(VirtualAddress(place + 4096))) {
      (mapper) throws(TesseraError) in
      try mapper.remap(VirtualAddress(place + 4096), as: .userRead).flush()
    },
    .init("unmapping nothing", .notMapped(VirtualAddress(place + 4096))) {
      (mapper) throws(TesseraError) in try mapper.unmap(VirtualAddress(place + 4096)).flush()
    },
    .init("unmapping a status", .notMapped(VirtualAddress(place + 2 * twoMiB))) {
      (mapper) throws(TesseraError) in
      try mapper.unmap(VirtualAddress(place + 2 * twoMiB)).flush()
    },
    .init("changing part of a large page", .notAligned) { (mapper) throws(TesseraError) in
      try mapper.remap(inLarge, as: .userRead).flush()
    },
    .init("unmapping part of a large page", .notAligned) { (mapper) throws(TesseraError) in
      try mapper.unmap(inLarge).flush()
    },
    .init("unmapping a page that is partly outside of the range", .outOfBounds) {
      (mapper) throws(TesseraError) in try mapper.unmap(last).flush()
    },
    .init("unmapping at part of a page", .notAligned) { (mapper) throws(TesseraError) in
      try mapper.unmap(VirtualAddress(place + 8)).flush()
    },
    .init("unmapping at the end of the range", .outOfBounds) { (mapper) throws(TesseraError) in
      try mapper.unmap(VirtualAddress(last.rawValue + twoMiB / 2)).flush()
    },
  ]
}

private enum PageSizeChangeAt {
  static func mapLarge(at address: UInt64, in space: borrowing VmSpace) throws {
    var frame: Frame<PlainMemory>? = try Frame(
      allocating: PlainMemory(), FrameRequest(size: .twoMiB))
    var cursor = try space.cursor(over: bytes(address, PageSize.twoMiB.byteCount))
    try cursor.map(&frame, as: .userReadWrite)
  }
}

extension OnSimulatedMachine {
  /// What a page mapper does not do, and that nothing has changed then.
  @Suite("Errors of a page mapper") struct PageMapperErrorTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    @Test(arguments: FailingOperation.all)
    private func `an operation that fails changes nothing`(operation: FailingOperation) throws {
      let space = try VmSpace()
      let range = try FailingOperation.prepare(space)
      space.activate()
      let before = space.rootNode.hash()
      let used = FrameAllocator.statistics.usedFrameCount
      let flushes = FlushStatistics.flushCount + FlushStatistics.fullFlushCount
      #expect(throws: operation.error) {
        try space.withPageMapper(over: range) { mapper throws(TesseraError) in
          try operation.call(mapper)
        }
      }
      #expect(space.rootNode.hash() == before)
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(FlushStatistics.flushCount + FlushStatistics.fullFlushCount == flushes)
      machine.checkCoherent()
      VmSpace.deactivate()
      #expect(machine.violations == [] && space.problems == [])
    }

    /// The caller's frame is still the caller's, and a frame of the mapper's is free again.
    @Test(arguments: [false, true], [PageSize.fourKiB, .twoMiB])
    func `when any allocation fails, nothing leaks and nothing has changed`(
      isCallers: Bool, size: PageSize
    ) throws {
      let space = try VmSpace()
      try mark(2 << 30, 1 << 30, as: 7, in: space)
      let whole = VmSpace.start..<VmSpace.end
      let page = VirtualAddress(2 << 30)
      var frame: Frame<PlainMemory>? = nil
      if isCallers { frame = try Frame(allocating: PlainMemory(), FrameRequest(size: size)) }
      var failureCount = 0
      while true {
        NodePool.drain()
        let before = (space.rootNode.hash(), FrameAllocator.statistics.usedFrameCount)
        machine.failAllocation(failureCount + 1)
        let error: TesseraError?
        do throws(TesseraError) {
          try space.withPageMapper(over: whole) { mapper throws(TesseraError) in
            if isCallers {
              try mapper.map(&frame, at: page, as: .userReadWrite).flush()
            } else {
              try mapper.map(page, of: size, as: .userReadWrite).flush()
            }
          }
          error = nil
        } catch let failure { error = failure }
        machine.failAllocation(0)
        guard let error else { break }
        #expect(error == .outOfFrames)
        let isLost = isCallers && isGone(frame)
        #expect(!isLost)
        NodePool.drain()
        #expect(space.rootNode.hash() == before.0)
        #expect(FrameAllocator.statistics.usedFrameCount == before.1)
        failureCount += 1
      }
      // One for each table below the status, and the frame.
      let tableCount = size == .fourKiB ? 2 : 1
      #expect(failureCount == tableCount + (isCallers ? 0 : 1))
      #expect(machine.violations == [] && space.problems == [])
    }

    @Test func `a range that cannot be locked is an error, and the closure does not run`() throws {
      let space = try VmSpace()
      var isCalled = false
      func error(_ range: Range<VirtualAddress>) -> TesseraError? {
        do throws(TesseraError) {
          try space.withPageMapper(over: range) { _ throws(TesseraError) in isCalled = true }
          return nil
        } catch { return error }
      }
      #expect(error(bytes(0x5000, 0)) == .empty)
      #expect(error(bytes(0x5001, 4096)) == .notAligned)
      #expect(error(bytes(VmSpace.end.rawValue, 4096)) == .outOfBounds)
      machine.failAllocation(1)
      #expect(error(bytes(0x5000, 4096)) == .outOfFrames)
      machine.failAllocation(0)
      #expect(!isCalled)
    }

    @Test func `a page of 1 GiB traps on a processor that has none`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        unsafe PagingMode.install(PagingMode(hasOneGiBPages: false))
        let machine = SimulatedMachine(frameCount: 512)
        try machine.startKernelSpace()
        machine.stayPermanently()
        let space = try VmSpace()
        try space.withPageMapper(over: VmSpace.start..<VmSpace.end) {
          mapper throws(TesseraError) in
          try mapper.map(VirtualAddress(1 << 30), of: .oneGiB, as: .userReadWrite).flush()
        }
      }
      try expectPanic(in: result, "the processor has no pages of 1 GiB")
    }
  }
}
