import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// An operation of a cursor on a number of bytes.
enum RangeOperation: String, CaseIterable, Codable {
  case findNext, forEachRun, mapDevice, setStatus, unmap, protect, change, clearAccessed,
    clearDirty,
    clearAccessedAndDirty, collapse
  case copy, copySource

  /// Performs it on `byteCount` bytes at the position of `cursor`; `other` is a cursor of another
  /// space.
  func perform(
    _ byteCount: UInt64, _ cursor: inout Cursor, _ other: inout Cursor
  ) throws(TesseraError) {
    switch self {
    case .findNext: _ = cursor.findNext(within: byteCount)
    case .forEachRun: cursor.forEachRun(within: byteCount) { _ in }
    case .mapDevice:
      try unsafe cursor.mapDevice(
        PhysicalAddress(0x10_0000_0000), byteCount: byteCount, as: .userReadWrite)
    case .setStatus: try cursor.setStatus(byteCount, to: 1)
    case .unmap: try cursor.unmap(byteCount)
    case .protect: try cursor.protect(byteCount, to: .read)
    case .change: try cursor.change(byteCount, by: PageChange(removing: .write))
    case .clearAccessed: cursor.clearAccessed(byteCount)
    case .clearDirty: cursor.clearDirty(byteCount)
    case .clearAccessedAndDirty: cursor.clearAccessedAndDirty(byteCount)
    case .collapse: cursor.collapse(byteCount)
    case .copy: try cursor.copy(from: &other, byteCount)
    case .copySource: try other.copy(from: &cursor, byteCount)
    }
  }
}

extension OnSimulatedMachine {
  /// Every operation on a range, with lengths at and beyond every boundary.
  @Suite("Range lengths") struct RangeOperationTests {
    /// A space with absent pages, mapped pages of every size, and a status.
    private func makeSpace() throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: 0, in: space)
      try mapFrame(at: 0x5000, in: space)
      try mark(0x7000, 4096, as: 7, in: space)
      try mapDevice(at: 2 << 20, 0x40_0000_0000, 2 << 20, in: space)
      try mapDevice(at: 1 << 30, 0x40_0000_0000, 1 << 30, in: space)
      try mapFrame(at: VmSpace.end.rawValue - 4096, in: space)
      return space
    }

    @Test(arguments: RangeOperation.allCases)
    func `an operation on no bytes does nothing at any position`(operation: RangeOperation) throws {
      let machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
      let space = try makeSpace()
      let second = try makeSpace()
      let before = space.rootNode.hash()
      let ends: [UInt64] = [4096, 0x6000, 4 << 20, 2 << 30, VmSpace.end.rawValue]
      for end in ends {
        let range = VirtualAddress(0)..<VirtualAddress(end)
        var cursor = try space.cursor(over: range)
        var other = try second.cursor(over: range)
        let positions: [UInt64] = [
          0, 0x4000, 0x5000, 0x7000, 2 << 20, 2 << 20 + 4096, 1 << 30, 1 << 30 + 4096, 1 << 39,
          end - 4096, end,
        ]
        for position in positions where position <= end {
          try cursor.jump(to: VirtualAddress(position))
          try operation.perform(0, &cursor, &other)
          let after = cursor.address
          #expect(after == VirtualAddress(position))
        }
      }
      #expect(space.rootNode.hash() == before)
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }

    @Test(arguments: RangeOperation.allCases)
    func `an operation on whole pages moves the cursor to their end`(
      operation: RangeOperation
    ) throws {
      let machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
      let end = VmSpace.end.rawValue
      // From a hole to the boundaries around it, and at the bounds of the space.
      let ranges: [Range<UInt64>] = [
        0..<4096, 0x4000..<0x5000, 0x4000..<0x6000, 0x5000..<0x6000, 0x6000..<0x7000,
        0x6000..<0x8000, 0x6000..<2 << 20, 0x6000..<2 << 20 + 4096, 4 << 20 - 4096..<4 << 20 + 4096,
        1 << 30 - 4096..<1 << 30 + 4096, 2 << 30 - 4096..<2 << 30 + 4096, end - 4096..<end,
        end - 8192..<end, 0..<end,
      ]
      // Physical addresses end before virtual ones.
      for range in ranges where operation != .mapDevice || range.count <= 2 << 30 {
        let space = try makeSpace()
        let second = try VmSpace()
        do {
          let locked = VirtualAddress(range.lowerBound)..<VirtualAddress(range.upperBound)
          var cursor = try space.cursor(over: locked)
          var other = try second.cursor(over: locked)
          let byteCount = range.upperBound - range.lowerBound
          do throws(TesseraError) {
            try operation.perform(byteCount, &cursor, &other)
            let stopsEarly = operation == .findNext
            let isAtEnd = cursor.isAtEnd
            #expect(isAtEnd || stopsEarly, "\(operation), \(range)")
          } catch {
            let isUnmoved = cursor.address == locked.lowerBound
            #expect(isUnmoved, "\(operation), \(range): \(error)")
            let mayFail = [.mapDevice, .setStatus, .copy].contains(operation)
            #expect(mayFail, "\(operation), \(range): \(error)")
          }
        }
        #expect(space.problems == [], "\(operation), \(range)")
        #expect(second.problems == [], "\(operation), \(range)")
      }
      #expect(machine.violations == [])
    }

    @Test(
      arguments: RangeOperation.allCases, [1, 8, 512, 4095, 4097, 8192 + 512, .max] as [UInt64])
    func `parts of pages trap`(operation: RangeOperation, byteCount: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [operation, byteCount] in
        try withTwoCursors { cursor, other in
          try operation.perform(byteCount, &cursor, &other)
        }
      }
      let isTooLong = operation == .mapDevice && byteCount == .max
      try expectPanic(
        in: result,
        isTooLong
          ? "device memory lies beyond what the processor can address"
          : "length is not a multiple of the page size")
    }

    @Test func `mapping more frames than fit traps before one is supplied`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try withTwoCursors { cursor, _ in
          try cursor.map(pageCount: 3, as: .userReadWrite) { () -> Frame<PlainMemory> in
            panic("a frame was asked for")
          }
        }
      }
      try expectPanic(in: result, "operation reaches beyond the range of its cursor")
    }

    @Test(arguments: RangeOperation.allCases, [3 << 12, 1 << 47, .max - 4095] as [UInt64])
    func `more bytes than remain trap`(operation: RangeOperation, byteCount: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [operation, byteCount] in
        try withTwoCursors { cursor, other in
          try operation.perform(byteCount, &cursor, &other)
        }
      }
      let isTooLong = operation == .mapDevice && byteCount > 1 << 52
      try expectPanic(
        in: result,
        isTooLong
          ? "device memory lies beyond what the processor can address"
          : "operation reaches beyond the range of its cursor")
    }
  }
}

/// Calls `body` with cursors over two pages of two spaces, on a machine that lives until the exit.
private func withTwoCursors(_ body: (inout Cursor, inout Cursor) throws -> Void) throws {
  SimulatedMachine.permanent(frameCount: 128)
  let root = try FrameAllocator.allocate()
  unsafe Processor.loadRootRegister(root.rawValue)
  try KernelSpace.start()
  let first = try VmSpace()
  let second = try VmSpace()
  var cursor = try first.cursor(over: bytes(0x5000, 8192))
  var other = try second.cursor(over: bytes(0x5000, 8192))
  try body(&cursor, &other)
}
