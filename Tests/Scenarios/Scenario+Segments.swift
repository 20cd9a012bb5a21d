internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  /// How many owners the frame at `index` has.
  static func owners<Metadata: ~Copyable>(
    of segment: borrowing Segment<Metadata>, at index: Int
  ) -> UInt64 {
    segment.borrowFrame(at: index).referenceCount
  }

  /// The address of the frame at `index`, as a borrowed view says it.
  private static func address(
    in segment: borrowing Segment<TracedObject>, at index: Int
  ) -> PhysicalAddress {
    segment.borrowFrame(at: index).address
  }

  static func segmentFrames(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let used = FrameAllocator.statistics.usedFrameCount
    let segment = try Segment(allocating: 16) { TracedObject($0.rawValue) }
    checks.expect(segment.frameCount == 16, "a segment has the frames that were asked for")
    checks.expect(segment.byteCount == 65536, "a segment knows its bytes")
    checks.expect(segment.end == segment.address + 65536, "a segment knows its end")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 16, "each frame is in use")
    for index in 0..<16 {
      let address = segment.address + UInt64(index) * 4096
      checks.expect(
        segment.withMetadata(ofFrame: index) { $0.value } == address.rawValue,
        "each frame has the metadata made for it")
      checks.expect(Self.address(in: segment, at: index) == address, "the frames are contiguous")
      checks.expect(owners(of: segment, at: index) == 1, "the segment is an owner of each frame")
    }
    _ = consume segment
    checks.expect(DropStatistics.callCount == calls + 16, "each frame is dropped")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used, "each frame is freed")
  }

  static func segmentIsOneBlock(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    let segment = try Segment(allocating: 64) { _ in PlainMemory() }
    _ = consume segment
    checks.expect(
      FrameAllocator.statistics == before, "a segment goes back past the cache, as one block")
  }

  static func segmentSizes(_ checks: inout Checks) throws(TesseraError) {
    for count in 1...70 {
      let segment = try Segment(allocating: count) { _ in PlainMemory() }
      checks.expect(segment.frameCount == count, "a segment may have any number of frames")
      segment.setWord(UInt64(count), at: segment.byteCount - 8)
      checks.expect(segment.word(at: segment.byteCount - 8) == UInt64(count), "it is all memory")
    }
  }

  static func segmentErrors(_ checks: inout Checks) throws(TesseraError) {
    let none = ThrownError.of { () throws(TesseraError) in
      _ = try Segment(allocating: 0) { _ in PlainMemory() }
    }
    checks.expect(none == .empty, "a segment of no frames is an error")
    let negative = ThrownError.of { () throws(TesseraError) in
      _ = try Segment(allocating: -1) { _ in PlainMemory() }
    }
    checks.expect(negative == .empty, "a segment of fewer than no frames is an error")
    let counts: [5 of Int] = [.max, .max - 1, 1 << 62, 1 << 52, 1 << 31]
    for index in counts.indices {
      let count = counts[index]
      let huge = ThrownError.of { () throws(TesseraError) in
        _ = try Segment(allocating: count) { _ in PlainMemory() }
      }
      checks.expect(huge == .outOfFrames, "a segment larger than all memory cannot be allocated")
    }
  }

  /// The error that claiming the range throws, or nil.
  private static func claimError(_ start: PhysicalAddress, _ end: PhysicalAddress) -> TesseraError?
  {
    ThrownError.of { () throws(TesseraError) in
      _ = try Segment(claiming: start..<end) { _ in TracedObject(0) }
    }
  }

  static func claimingRanges(_ checks: inout Checks) throws(TesseraError) {
    let end = FrameTable.end
    checks.expect(claimError(end + 1, end + 4096) == .notAligned, "the start is aligned")
    checks.expect(claimError(.zero, end + 1) == .notAligned, "the end is aligned")
    checks.expect(claimError(.zero, end + 4096) == .outOfBounds, "the end is within the frames")
    checks.expect(claimError(end, end + 4096) == .outOfBounds, "the start is within the frames")
    checks.expect(claimError(.zero, .limit) == .outOfBounds, "an enormous range is out of bounds")
    checks.expect(claimError(end, end) == .empty, "an empty range is an error")
    checks.expect(claimError(.zero, .zero) == .empty, "an empty range is an error anywhere")

    var run = try RawAllocation(5)
    let segment = try Segment(claiming: run.address..<run.end) { TracedObject($0.rawValue) }
    run.forget()
    checks.expect(segment.frameCount == 5, "a range of unowned frames is claimed")
    checks.expect(
      segment.withMetadata(ofFrame: 4) { $0.value } == segment.address.rawValue + 16384,
      "each frame has the metadata made for it")
  }

  static func claimingUpToEnd(_ checks: inout Checks) throws(TesseraError) {
    let last = FrameTable.slot(number: FrameTable.frameCount - 1)
    let isFree = last.count == ReferenceCount.free
    let outcome = claimError(last.address, FrameTable.end)
    checks.expect(outcome == (isFree ? nil : .inUse), "a range may end with the last frame")
  }

  static func claimingRollsBack(_ checks: inout Checks) throws(TesseraError) {
    let run = try RawAllocation(6)
    for failing in 0..<6 {
      let frame = try Frame(claiming: run.frame(failing), metadata: PlainMemory())
      expectClaimFailure(of: run, at: failing, .inUse, &checks)
      _ = consume frame
      try takeBack(run.frame(failing))
      let unique = try UniqueFrame(claiming: run.frame(failing), metadata: PlainMemory())
      expectClaimFailure(of: run, at: failing, .unique, &checks)
      _ = consume unique
      try takeBack(run.frame(failing))
    }
  }

  /// Makes the frame at `address`, which its handle has freed, the caller's again.
  private static func takeBack(_ address: PhysicalAddress) throws(TesseraError) {
    let slot = FrameTable.slot(number: address.frameNumber)
    try FrameAllocator.claim(slot)
    slot.makeUnowned()
  }

  /// Expects that claiming the whole run, of which one frame has an owner, leaves all as it was.
  private static func expectClaimFailure(
    of run: borrowing RawAllocation, at failing: Int, _ error: TesseraError, _ checks: inout Checks
  ) {
    let before = FrameAllocator.statistics
    let calls = DropStatistics.callCount
    checks.expect(
      claimError(run.address, run.end) == error, "one frame fails the claim of the whole range")
    checks.expect(
      FrameAllocator.statistics == before, "what was the caller's stays the caller's")
    checks.expect(
      DropStatistics.callCount == calls, "no metadata is made for a range that cannot be claimed")
    for index in 0..<6 where index != failing {
      let slot = FrameTable.slot(number: run.frame(index).frameNumber)
      checks.expect(
        slot.count == ReferenceCount.unused && slot.kind == .plain, "frames are as they were")
    }
  }

  static func claimingRollsBackFree(_ checks: inout Checks) throws(TesseraError) {
    let segment = try Segment(allocating: 4) { _ in PlainMemory() }
    let start = segment.address
    let end = segment.end
    let last = segment.slice(12288..<16384)
    _ = consume segment
    let before = FrameAllocator.statistics
    checks.expect(claimError(start, end) == .inUse, "the last frame is still in use")
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == before.usedFrameCount,
      "free frames of a failed claim are free again")
    _ = consume last
    checks.expect(claimError(start, end) == nil, "the whole range can be claimed afterwards")
  }
}

extension Scenario {
  static func splitting(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let segment = try Segment(allocating: 8) { TracedObject($0.rawValue) }
    let start = segment.address
    let parts = segment.split(atByte: 3 * 4096)
    checks.expect(parts.low.frameCount == 3 && parts.high.frameCount == 5, "both parts add up")
    checks.expect(parts.low.address == start, "the low part starts where the whole did")
    checks.expect(parts.low.end == parts.high.address, "the parts meet")
    checks.expect(owners(of: parts.high, at: 0) == 1, "splitting adds no owner")
    checks.expect(
      parts.high.withMetadata(ofFrame: 0) { $0.value } == start.rawValue + 12288,
      "the metadata stays with its frame")
    let again = parts.high.split(atByte: 4 * 4096)
    _ = consume again
    checks.expect(DropStatistics.callCount == calls + 5, "a part is dropped by itself")
  }

  static func slicing(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let segment = try Segment(allocating: 8) { TracedObject($0.rawValue) }
    let slice = segment.slice(8192..<20480)
    checks.expect(slice.frameCount == 3, "a slice has the frames of its range")
    checks.expect(slice.address == segment.address + 8192, "a slice starts where it was cut")
    let all = segment.share()
    for index in 0..<8 {
      let expected: UInt64 = (2..<5).contains(index) ? 3 : 2
      checks.expect(
        owners(of: segment, at: index) == expected,
        "each frame has an owner for each segment that covers it")
    }
    _ = consume all
    let used = FrameAllocator.statistics.usedFrameCount
    _ = consume segment
    checks.expect(DropStatistics.callCount == calls + 5, "frames of a slice live on")
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == used - 5, "the others are freed")
    checks.expect(owners(of: slice, at: 1) == 1, "the slice is the only owner left")
  }

  static func iterating(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    var segment = try Segment(allocating: 5) { TracedObject($0.rawValue) }
    let start = segment.address
    let used = FrameAllocator.statistics.usedFrameCount
    var seen: UInt64 = 0
    while let frame = segment.next() {
      checks.expect(frame.address == start + seen * 4096, "frames come off in their order")
      checks.expect(frame.referenceCount == 1, "the count comes with the frame")
      checks.expect(frame.metadata.value == frame.address.rawValue, "and so does the metadata")
      seen += 1
      if seen == 3 { break }
    }
    checks.expect(seen == 3 && segment.frameCount == 2, "a segment shrinks from its front")
    checks.expect(segment.address == start + 3 * 4096, "its start moves on")
    checks.expect(DropStatistics.callCount == calls + 3, "frames that were taken off were dropped")
    while let frame = segment.next() { checks.expect(frame.size == .fourKiB, "a frame of 4 KiB") }
    checks.expect(segment.next() == nil, "an empty segment has no next frame")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used - 5, "all were freed")
  }

  static func segmentOfOne(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedObject(1))
    let witness = frame.share()
    let segment = Segment(frame)
    checks.expect(segment.frameCount == 1, "a frame makes a segment of one")
    checks.expect(segment.address == witness.address, "it is the same frame")
    checks.expect(witness.referenceCount == 2, "the count moves into the segment")
    _ = consume segment
    checks.expect(witness.referenceCount == 1, "and goes with it")
  }

  static func convertingSegments(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let segment = try Segment(allocating: 4) { TracedMemory($0.rawValue) }
    segment.setWord(12, at: 4096)
    let erased = segment.erased()
    switch erased.typed(as: TracedObject.self) {
    case .converted: checks.fail("a segment does not become one of other metadata")
    case .unchanged(let original):
      checks.expect(original.frameCount == 4, "a failed conversion returns the segment")
      switch original.typed(as: TracedMemory.self) {
      case .unchanged: checks.fail("a segment is converted back to its own kind")
      case .converted(let typed):
        checks.expect(owners(of: typed, at: 3) == 1, "conversions move the counts")
        let untyped = typed.untyped()
        checks.expect(untyped.word(at: 4096) == 12, "untyped memory is the same memory")
        checks.expect(untyped.frameCount == 4, "it has as many frames")
        convertingUntyped(untyped, &checks)
      }
    }
    checks.expect(DropStatistics.callCount == calls + 4, "each frame is dropped once")
    let objects = try Segment(allocating: 2) { TracedObject($0.rawValue) }
    switch objects.erased().untyped() {
    case .converted: checks.fail("a segment of objects does not become plain memory")
    case .unchanged(let original):
      checks.expect(original.frameCount == 2, "a failed conversion returns the segment")
    }
    checks.expect(DropStatistics.callCount == calls + 6, "each frame is dropped once")
  }

  /// Converts a segment of four frames of `TracedMemory`, whose second begins with 12.
  private static func convertingUntyped(
    _ untyped: consuming UntypedSegment, _ checks: inout Checks
  ) {
    guard let again = untyped.erased().untyped().get() else {
      return checks.fail("plain memory of any kind is untyped")
    }
    switch again.typed(as: PlainMemory.self) {
    case .converted: checks.fail("untyped memory does not become one of other metadata")
    case .unchanged(let original):
      if let typed = original.typed(as: TracedMemory.self).get() {
        checks.expect(typed.word(at: 4096) == 12, "untyped memory is typed as what it is")
      } else {
        checks.fail("untyped memory is typed as what it is")
      }
    }
  }

  static func droppingInPart(_ checks: inout Checks) throws(TesseraError) {
    let used = FrameAllocator.statistics.usedFrameCount
    let calls = DropStatistics.callCount
    let segment = try Segment(allocating: 9) { TracedObject($0.rawValue) }
    let third = segment.slice(8192..<12288)
    let seventh = segment.slice(24576..<28672)
    let address = third.address
    _ = consume segment
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 2, "shared frames stay")
    checks.expect(DropStatistics.callCount == calls + 7, "the others are dropped")
    checks.expect(
      third.withMetadata(ofFrame: 0) { $0.value } == address.rawValue, "what stays is intact")
    _ = consume third
    _ = consume seventh
    checks.expect(FrameAllocator.statistics.usedFrameCount == used, "all frames are back")
    checks.expect(DropStatistics.callCount == calls + 9, "and each was dropped once")
  }
}
