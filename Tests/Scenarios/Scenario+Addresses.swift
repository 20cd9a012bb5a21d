internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  /// The error that claiming the frame at `address` throws, or nil.
  private static func claimError(_ address: PhysicalAddress) -> TesseraError? {
    ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: address, metadata: TracedObject(0))
    }
  }

  /// The error that sharing the frame at `address` throws, or nil.
  private static func shareError(_ address: PhysicalAddress) -> TesseraError? {
    ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
  }

  static func addressErrors(_ checks: inout Checks) throws(TesseraError) {
    let offsets: [5 of UInt64] = [1, 8, 512, 2048, 4095]
    for index in offsets.indices {
      let misaligned = FrameTable.end + offsets[index]
      checks.expect(claimError(misaligned) == .notAligned, "alignment is checked before bounds")
      checks.expect(shareError(misaligned) == .notAligned, "alignment is checked before bounds")
    }
    let end = FrameTable.end
    checks.expect(claimError(end) == .outOfBounds, "the frame after the last cannot be claimed")
    checks.expect(shareError(end) == .outOfBounds, "the frame after the last cannot be shared")
    let limit = PhysicalAddress.limit
    checks.expect(claimError(limit) == .outOfBounds, "the end of memory cannot be claimed")
    checks.expect(shareError(limit) == .outOfBounds, "the end of memory cannot be shared")
    let list = FrameList<TracedObject>()
    checks.expect(!list.contains(FrameTable.end), "no list has a frame beyond all frames")
    checks.expect(!list.contains(PhysicalAddress(1)), "no list has what is not a frame")
  }

  static func claimingInUse(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedObject(1))
    let second = frame.share()
    checks.expect(claimError(frame.address) == .inUse, "a frame in use cannot be claimed")
    checks.expect(shareError(frame.address) == nil, "a frame in use can be shared")
    checks.expect(frame.referenceCount == 2, "a failed claim changes no count")
    let misaligned = frame.address + 8
    checks.expect(claimError(misaligned) == .notAligned, "alignment comes before the state")
    checks.expect(shareError(misaligned) == .notAligned, "alignment comes before the state")
    _ = consume second
  }

  static func sharingByAddress(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let frame = try Frame(allocating: TracedObject(31))
    let address = frame.address
    let shared = try AnyFrame(sharing: address)
    checks.expect(frame.referenceCount == 2, "a frame shared by address has one more owner")
    checks.expect(
      shared.withMetadata(as: TracedObject.self) { $0.value } == 31, "its metadata is what it was")
    _ = consume frame
    checks.expect(DropStatistics.callCount == calls, "who shares by address keeps the frame")
    _ = consume shared
    checks.expect(DropStatistics.callCount == calls + 1, "the last owner drops it")
    checks.expect(shareError(address) == .unused, "a free frame cannot be shared")
  }

  static func claimingFree(_ checks: inout Checks) throws(TesseraError) {
    let used = FrameAllocator.statistics.usedFrameCount
    // The first of the two ends up in the processor's cache, the other one in a free block.
    for place in 0..<2 {
      let frame = try Frame(allocating: TracedObject(1))
      let address = frame.address
      _ = consume frame
      if place == 1 { FrameAllocator.drainCache() }
      let claimed = try Frame(claiming: address, metadata: TracedObject(2))
      checks.expect(claimed.address == address, "the claimed frame is the one that was asked for")
      checks.expect(claimed.metadata.value == 2, "it has the metadata of its claim")
      checks.expect(claimed.referenceCount == 1, "it has one owner")
      checks.expect(
        FrameAllocator.statistics.usedFrameCount == used + 1, "it is out of the allocator")
      let others = try Segment(allocating: 40) { _ in PlainMemory() }
      checks.expect(
        address < others.address || others.end <= address, "a claimed frame is not allocated")
      _ = consume claimed
      _ = consume others
      checks.expect(
        FrameAllocator.statistics.usedFrameCount == used, "it goes back to the allocator")
    }
  }

  static func claimingRaw(_ checks: inout Checks) throws(TesseraError) {
    let used = FrameAllocator.statistics.usedFrameCount
    var run = try RawAllocation(2)
    let address = run.address
    checks.expect(shareError(address) == .unused, "a raw frame cannot be shared")
    let first = try Frame(claiming: address, metadata: TracedMemory(3))
    let second = try UniqueFrame(claiming: address + 4096, metadata: TracedObject(4))
    run.forget()
    checks.expect(claimError(address) == .inUse, "a claimed frame is in use")
    checks.expect(claimError(address + 4096) == .unique, "or it is unique")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 2, "claiming takes no frame")
    _ = consume first
    _ = consume second
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == used, "claimed frames go back to the allocator")
  }

  static func claimingReserved(_ checks: inout Checks) throws(TesseraError) {
    guard let address = reservedFrame() else {
      return checks.fail("the machine reserves low memory")
    }
    let used = FrameAllocator.statistics.usedFrameCount
    let calls = DropStatistics.callCount
    checks.expect(shareError(address) == .unused, "reserved memory cannot be shared")
    let frame = try Frame(claiming: address, metadata: TracedObject(5))
    checks.expect(claimError(address) == .inUse, "claimed memory is in use")
    let second = frame.share()
    _ = consume frame
    _ = consume second
    checks.expect(DropStatistics.callCount == calls + 1, "claimed memory is dropped once")
    checks.expect(
      FrameAllocator.statistics.usedFrameCount == used, "reserved memory is never the allocator's")
    let unique = try UniqueFrame(claiming: address, metadata: PlainMemory())
    unique.setWord(1, at: 0)
    checks.expect(claimError(address) == .unique, "it can be claimed again")
    checks.expect(unique.word(at: 0) == 1, "it is memory")
  }

  /// An unowned frame of low memory.
  static func reservedFrame() -> PhysicalAddress? {
    for number in 1..<min(256, FrameTable.frameCount) {
      let slot = FrameTable.slot(number: number)
      if slot.count == ReferenceCount.unused && slot.kind == .none { return slot.address }
    }
    return nil
  }

  static func oneWinner(_ checks: inout Checks) throws(TesseraError) {
    guard let address = reservedFrame() else {
      return checks.fail("the machine reserves low memory")
    }
    let first = try Frame(claiming: address, metadata: TracedObject(1))
    checks.expect(claimError(address) == .inUse, "a frame is claimed once")
    _ = consume first
    let second = try Frame(claiming: address, metadata: TracedObject(2))
    checks.expect(second.metadata.value == 2, "metadata of an earlier owner is gone")
  }
}
