internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func lastHandleFrees(_ checks: inout Checks) throws(TesseraError) {
    let before = FrameAllocator.statistics.usedFrameCount
    let first = try Frame(allocating: TracedObject(1))
    let second = first.share()
    checks.expect(first.address == second.address, "a shared handle is of the same frame")
    checks.expect(first.referenceCount == 2, "two handles are two owners")
    _ = consume first
    checks.expect(second.referenceCount == 1, "a dropped handle is an owner less")
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == before + 1, "a frame with an owner stays in use")
    _ = consume second
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == before, "the last handle frees the frame")
  }

  static func ownersSeeMetadata(_ checks: inout Checks) throws(TesseraError) {
    let first = try Frame(allocating: TracedObject(0x1234_5678))
    let second = first.share()
    checks.expect(first.metadata.value == 0x1234_5678, "metadata is what the frame was made with")
    checks.expect(second.metadata == first.metadata, "every owner sees the same metadata")
  }

  static func metadataFillsSlot(_ checks: inout Checks) throws(TesseraError) {
    let expected = FullMetadata(0xfedc_ba98_7654_3210)
    let frame = try Frame(allocating: FullMetadata(0xfedc_ba98_7654_3210))
    let another = try Frame(allocating: FullMetadata(7))
    checks.expect(frame.metadata == expected, "all 40 bytes of metadata are kept")
    checks.expect(another.metadata == FullMetadata(7), "a frame's metadata is its own")
    checks.expect(frame.referenceCount == 1, "metadata does not reach the count")
    checks.expect(frame.usage == .object, "metadata does not reach the kind")
  }

  static func dropIsToldOnce(_ checks: inout Checks) throws(TesseraError) {
    let before = DropStatistics.callCount
    let sum = DropStatistics.checksum
    let frame = try Frame(allocating: TracedObject(42))
    let address = frame.address
    let second = frame.share()
    let third = second.share()
    _ = consume second
    _ = consume frame
    checks.expect(DropStatistics.callCount == before, "metadata is not told while an owner is left")
    _ = consume third
    checks.expect(DropStatistics.callCount == before + 1, "metadata is told once")
    checks.expect(
      DropStatistics.checksum &- sum == DropStatistics.mix(42, address, word: 0),
      "metadata is told the frame it belonged to")
  }

  static func dropSeesBytes(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedMemory(7))
    let address = frame.address
    frame.setWord(0x0102_0304_0506_0708, at: 0)
    _ = consume frame
    let last = DropStatistics.last
    checks.expect(last.address == address.rawValue, "the dropped frame is the one that was owned")
    checks.expect(last.word == 0x0102_0304_0506_0708, "its bytes are there while it is dropped")
  }

  static func dropIsPrivate(_ checks: inout Checks) throws(TesseraError) {
    let before = DropStatistics.failureCount
    let frame = try Frame(allocating: ReentrantObject(expected: .inTransition))
    _ = consume frame
    checks.expect(
      DropStatistics.failureCount == before + 2,
      "a shared frame is in transition while it is dropped")
    let unique = try UniqueFrame(allocating: ReentrantObject(expected: .unique))
    _ = consume unique
    checks.expect(
      DropStatistics.failureCount == before + 4, "a unique frame stays unique while it is dropped")
    let segment = try Segment(allocating: 3) { _ in ReentrantObject(expected: .inTransition) }
    _ = consume segment
    checks.expect(
      DropStatistics.failureCount == before + 10,
      "a segment's frames are in transition while they are dropped")
  }

  static func metadataIsDestroyed(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let destructions = DropStatistics.destructionCount
    let frame = try Frame(allocating: MoveOnlyObject(value: 3))
    checks.expect(frame.metadata.value == 3, "metadata that cannot be copied is moved in")
    checks.expect(DropStatistics.destructionCount == destructions, "metadata lives in its slot")
    _ = consume frame
    checks.expect(DropStatistics.callCount == calls + 1, "metadata is told before it is destroyed")
    checks.expect(
      DropStatistics.last.word == destructions, "metadata is whole when it is told")
    checks.expect(
      DropStatistics.destructionCount == destructions + 1, "metadata is destroyed exactly once")
  }

  static func metadataOfNoFrame(_ checks: inout Checks) throws(TesseraError) {
    let owner = try Frame(allocating: MoveOnlyObject(value: 4))
    let address = owner.address
    let calls = DropStatistics.callCount
    let destructions = DropStatistics.destructionCount
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: address, metadata: MoveOnlyObject(value: 5))
    }
    checks.expect(claiming == .inUse, "a frame with an owner cannot be claimed")
    let allocating = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(
        allocating: MoveOnlyObject(value: 6),
        FrameRequest(below: PhysicalAddress(4096), alignment: 8192))
    }
    checks.expect(allocating == .outOfFrames, "no frame lies below the limit")
    let alone = ThrownError.of { () throws(TesseraError) in
      _ = try UniqueFrame(claiming: address, metadata: MoveOnlyObject(value: 7))
    }
    checks.expect(alone == .inUse, "neither can it be claimed alone")
    checks.expect(DropStatistics.callCount == calls, "metadata that had no frame is not told")
    checks.expect(
      DropStatistics.destructionCount == destructions + 3, "metadata that had no frame is destroyed"
    )
    checks.expect(owner.metadata.value == 4, "the owner's metadata is untouched")
  }

  static func borrowing(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedObject(9))
    let shared = checkBorrowed(frame, &checks)
    checks.expect(frame.referenceCount == 2, "sharing what is borrowed adds an owner")
    checks.expect(shared.metadata.value == 9, "the new handle knows the metadata")
  }

  /// Checks `frame` through a borrowed view, and shares it from there.
  private static func checkBorrowed(
    _ frame: borrowing Frame<TracedObject>, _ checks: inout Checks
  ) -> Frame<TracedObject> {
    let borrowed = frame.borrow()
    checks.expect(borrowed.referenceCount == 1, "borrowing adds no owner")
    checks.expect(borrowed.address == frame.address, "a borrowed frame is the same frame")
    checks.expect(borrowed.metadata.value == 9, "a borrowed frame has its metadata")
    checks.expect(borrowed.size == .fourKiB, "a borrowed frame says its size")
    checks.expect(borrowed.usage == .object, "a borrowed frame says its usage")
    return borrowed.share()
  }

  static func relinquishing(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let frame = try Frame(allocating: TracedObject(10))
    let witness = frame.share()
    let address = frame.relinquish()
    checks.expect(witness.referenceCount == 2, "a relinquished count is still held")
    // SAFETY: the count was relinquished above, by a handle to the same metadata, and only here is
    // it adopted.
    let adopted = unsafe Frame<TracedObject>(adopting: address)
    checks.expect(witness.referenceCount == 2, "adopting adds no owner")
    checks.expect(adopted.metadata.value == 10, "an adopted handle knows the metadata")
    _ = consume adopted
    checks.expect(witness.referenceCount == 1, "an adopted handle drops its reference")
    checks.expect(DropStatistics.callCount == calls, "the frame lives while it has owners")
    _ = consume witness
    checks.expect(DropStatistics.callCount == calls + 1, "the frame is dropped once")
  }

  static func sharingForTables(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedMemory(11))
    // SAFETY: `frame` holds a count.
    unsafe FrameTable.share(at: frame.address)
    checks.expect(frame.referenceCount == 2, "a count added by address is an owner")
    // SAFETY: the count that was just added is adopted once; any metadata will do.
    let adopted = unsafe AnyFrame(adopting: frame.address)
    checks.expect(adopted.address == frame.address, "the added count belongs to the frame")
    _ = consume adopted
    checks.expect(frame.referenceCount == 1, "the added reference can be dropped")
  }

  static func describing(_ checks: inout Checks) throws(TesseraError) {
    let object = try Frame(allocating: TracedObject(1))
    let memory = try Frame(allocating: PlainMemory())
    checks.expect(!object.isUntyped, "an object's frame is typed")
    checks.expect(memory.isUntyped, "plain memory is untyped")
    checks.expect(object.size == .fourKiB && object.usage == .object, "a frame says what it is")
    checks.expect(memory.byteCount == 4096, "a frame has 4096 bytes")
    checks.expect(object.address.isAligned(to: .fourKiB), "a frame starts at a multiple of 4096")
    var text = TextBuffer()
    object.describe(to: &text)
    var expected = TextBuffer()
    expected.write("Frame(")
    expected.write(hexadecimal: object.address.rawValue)
    expected.write(")")
    checks.expect(text == expected && text.count > 9, "a frame writes its address for people")
  }

  static func plainMemory(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: PlainMemory())
    let segment = try Segment(allocating: 2) { _ in PlainMemory() }
    let unique = try UniqueFrame(allocating: PlainMemory())
    checks.expect(MemoryPattern.keeps(frame), "a frame keeps what is written")
    checks.expect(MemoryPattern.keeps(segment), "a segment keeps what is written")
    checks.expect(MemoryPattern.keeps(unique), "a unique frame keeps what is written")
    checks.expect(MemoryPattern.isThere(in: frame), "memory of one handle is not that of another")
    frame.fill(with: 0x5555_aaaa)
    checks.expect(frame.word(at: 0) == 0x5555_aaaa, "filling reaches the first word")
    checks.expect(frame.word(at: 4088) == 0x5555_aaaa, "filling reaches the last word")
    checks.expect(MemoryPattern.isThere(in: segment), "filling stays inside its frame")
  }

  static func bytesOfMemory(_ checks: inout Checks) throws(TesseraError) {
    let segment = try Segment(allocating: 2) { _ in PlainMemory() }
    var bytes = InlineArray<24, UInt8> { UInt8(200 + $0) }
    var span = bytes.mutableSpan
    // SAFETY: any bytes are good bytes for a `UInt8`.
    unsafe segment.write(span.bytes, at: 4090)
    for index in 0..<24 { span[index] = 0 }
    // SAFETY: as above.
    var raw = unsafe span.mutableBytes
    segment.read(into: &raw, at: 4090)
    var isSame = true
    for index in 0..<24 where bytes[index] != UInt8(200 + index) { isSame = false }
    checks.expect(isSame, "bytes come back from where they were written, over a frame's end")
    checks.expect(segment.word(at: 4080) == 0, "bytes before are untouched")
    checks.expect(segment.word(at: 4120) == 0, "bytes behind are untouched")
    checks.expect(segment.word(at: 4088) >> 16 == 0xcdcc_cbca_c9c8, "bytes lie in their order")
  }
}
