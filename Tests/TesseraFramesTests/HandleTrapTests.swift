import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// What only a wrong program does stops it with a sentence. Each test matches its own.
  @Suite("Traps of the handles") struct HandleTrapTests {
    @Test func `releasing a count that nobody holds traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let address = try Frame(allocating: PlainMemory()).relinquish()
        for _ in 0..<2 { _ = unsafe Frame<PlainMemory>(adopting: address) }
      }
      try expectPanic(in: result, "released a frame that has no owner: 0x")
    }

    @Test func `sharing a count that nobody holds traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8, keptBack: 2)
        unsafe FrameTable.share(at: PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "shared a frame that has no owner: 0x1000")
    }

    @Test(arguments: [
      ReferenceCount.inTransition, ReferenceCount.unique, ReferenceCount.free, ReferenceCount.tail,
    ])
    func `sharing a frame traps while its count is none of owners`(count: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [count] in
        SimulatedMachine.forGood(frameCount: 8, keptBack: 2)
        try FrameTable.slot(at: PhysicalAddress(0x1000)).setCount(count)
        unsafe FrameTable.share(at: PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "shared a frame that has no owner: 0x1000")
    }

    @Test func `adopting what is no frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = unsafe AnyFrame(adopting: PhysicalAddress(0x9000))
      }
      try expectPanic(in: result, "adopted an address that is not a frame's: 0x9000")
    }

    @Test func `adopting a shared frame as unique traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = unsafe UniqueFrame<PlainMemory>(adopting: frame.address)
      }
      try expectPanic(in: result, "adopted a frame that has no unique owner: 0x")
    }

    @Test func `splitting a segment outside itself traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = try Segment(allocating: 2) { _ in PlainMemory() }.split(atByte: 0x2000)
      }
      try expectPanic(in: result, "a segment is split inside itself: 0x")
    }

    @Test func `splitting a segment inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = try Segment(allocating: 2) { _ in PlainMemory() }.split(atByte: 0x800)
      }
      try expectPanic(in: result, "a segment is split at a multiple of the frame size: 0x")
    }

    @Test func `slicing beyond a segment traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x1000..<(.max & ~0xfff))
      }
      try expectPanic(in: result, "a slice lies beyond its segment: 0x")
    }

    @Test func `slicing nothing traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x1000..<0x1000)
      }
      try expectPanic(in: result, "a slice lies beyond its segment: 0x")
    }

    @Test func `slicing inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.slice(0x10..<0x1000)
      }
      try expectPanic(in: result, "a segment is sliced at multiples of the frame size: 0x")
    }

    @Test func `borrowing a frame beyond a segment traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let segment = try Segment(allocating: 2) { _ in PlainMemory() }
        _ = segment.borrowFrame(at: 2).address
      }
      try expectPanic(in: result, "a frame index lies beyond its segment: 0x")
    }

    @Test func `reading a word across the end of a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: 4096)
      }
      try expectPanic(in: result, "an access lies beyond the memory of its handle: 0x")
    }

    @Test func `reading a word at the end of all offsets traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: .max - 3)
      }
      try expectPanic(in: result, "an access lies beyond the memory of its handle: 0x")
    }

    @Test func `reading a word that is not aligned traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        _ = frame.word(at: 4)
      }
      try expectPanic(in: result, "an access to a word is not aligned: 0x")
    }

    @Test func `a cursor whose frame has left the list traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        var list = FrameList<PlainMemory>()
        list.pushBack(try UniqueFrame(allocating: PlainMemory()))
        var cursor = list.front
        _ = list.popFront()
        list.moveNext(&cursor)
      }
      try expectPanic(in: result, "a cursor's frame is not in this list: 0x")
    }

    @Test func `metadata larger than a slot's storage traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = try Frame(allocating: TooLargeMetadata())
      }
      try expectPanic(in: result, "frame metadata must fit in the 40 bytes of its slot")
    }

    @Test func `a list of metadata that leaves no room for links traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = FrameList<UnlistableMetadata>()
      }
      try expectPanic(in: result, "metadata of frames in a list must fit in 24 bytes")
    }
  }
}

/// Six words, where a slot has room for five.
private struct TooLargeMetadata: FrameMetadata {
  var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
  static var destructor: FrameMetadataDestructor { { unsafe TooLargeMetadata.destroy(at: $0) } }
}

/// Four words, where the links of a list leave room for three.
private struct UnlistableMetadata: FrameMetadata {
  var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  static var destructor: FrameMetadataDestructor { { unsafe UnlistableMetadata.destroy(at: $0) } }
}
