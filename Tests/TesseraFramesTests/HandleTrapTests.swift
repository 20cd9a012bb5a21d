import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// Each misuse of a handle panics with its own text.
  @Suite("Traps of the handles") struct HandleTrapTests {
    @Test func `dropping a reference to an unowned frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let address = try Frame(allocating: PlainMemory()).relinquish()
        for _ in 0..<2 { _ = unsafe Frame<PlainMemory>(adopting: address) }
      }
      try expectPanic(in: result, "dropped a reference to a frame that has no owner: 0x")
    }

    @Test func `sharing an unowned frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8, reserved: 2)
        unsafe FrameTable.share(at: PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "shared a frame that has no owner: 0x1000")
    }

    @Test(arguments: [
      ReferenceCount.inTransition, ReferenceCount.unique, ReferenceCount.free, ReferenceCount.tail,
    ])
    func `sharing a frame whose count is a state traps`(count: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [count] in
        SimulatedMachine.permanent(frameCount: 8, reserved: 2)
        try FrameTable.slot(at: PhysicalAddress(0x1000)).setCount(count)
        unsafe FrameTable.share(at: PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "shared a frame that has no owner: 0x1000")
    }

    @Test func `adopting an address without a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = unsafe AnyFrame(adopting: PhysicalAddress(0x9000))
      }
      try expectPanic(in: result, "adopted an address that is not that of a frame: 0x9000")
    }

    @Test func `adopting a shared frame as unique traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = unsafe UniqueFrame<PlainMemory>(adopting: frame.address)
      }
      try expectPanic(in: result, "adopted a frame that has no unique owner: 0x")
    }

    @Test func `splitting a segment at its end traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try Segment(allocating: 2) { _ in PlainMemory() }.split(atByte: 0x2000)
      }
      try expectPanic(in: result, "split a segment at or beyond its bounds: 0x")
    }

    @Test func `splitting a segment inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try Segment(allocating: 2) { _ in PlainMemory() }.split(atByte: 0x800)
      }
      try expectPanic(in: result, "split a segment inside a frame: 0x")
    }

    @Test func `slicing beyond a segment traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x1000..<(.max & ~0xfff))
      }
      try expectPanic(in: result, "slice is empty or out of range: 0x")
    }

    @Test func `an empty slice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x1000..<0x1000)
      }
      try expectPanic(in: result, "slice is empty or out of range: 0x")
    }

    @Test func `slicing inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x10..<0x1000)
      }
      try expectPanic(in: result, "sliced a segment inside a frame: 0x")
    }

    @Test func `borrowing a frame beyond a segment traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.borrowFrame(at: 2).address
      }
      try expectPanic(in: result, "frame index is out of range: 0x")
    }

    @Test func `reading a word across the end of a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: 4096)
      }
      try expectPanic(in: result, "access beyond the memory of the handle: 0x")
    }

    @Test func `reading a word at the highest offset traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: .max - 3)
      }
      try expectPanic(in: result, "access beyond the memory of the handle: 0x")
    }

    @Test func `reading a word that is not aligned traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: 4)
      }
      try expectPanic(in: result, "misaligned access to a word: 0x")
    }

    @Test func `a cursor whose frame was removed traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        var list = FrameList<PlainMemory>()
        list.pushBack(try UniqueFrame(allocating: PlainMemory()))
        var cursor = list.front
        _ = list.popFront()
        list.moveNext(&cursor)
      }
      try expectPanic(in: result, "used a cursor whose frame is not in the list: 0x")
    }

    @Test func `metadata larger than a slot's storage traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try Frame(allocating: TooLargeMetadata())
      }
      try expectPanic(in: result, "frame metadata is larger than 40 bytes")
    }

    @Test func `a list of metadata larger than 24 bytes traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = FrameList<UnlistableMetadata>()
      }
      try expectPanic(in: result, "metadata of frames in a list is larger than 24 bytes")
    }
  }
}

/// Six words; a slot has room for five.
private struct TooLargeMetadata: FrameMetadata {
  var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
  static var destructor: FrameMetadataDestructor { { unsafe TooLargeMetadata.destroy(at: $0) } }
}

/// Four words; in a list there is room for three.
private struct UnlistableMetadata: FrameMetadata {
  var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  static var destructor: FrameMetadataDestructor { { unsafe UnlistableMetadata.destroy(at: $0) } }
}
