internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func uniqueMetadata(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let sum = DropStatistics.checksum
    var unique = try UniqueFrame(allocating: TracedObject(1))
    let address = unique.address
    unique.metadata.value = 2
    unique.metadata.value += 40
    checks.expect(unique.metadata.value == 42, "the only owner changes the metadata in place")
    checks.expect(unique.size == .fourKiB, "a unique frame says its size")
    _ = consume unique
    checks.expect(DropStatistics.callCount == calls + 1, "a unique frame is dropped once")
    checks.expect(
      DropStatistics.checksum &- sum == DropStatistics.mix(42, address, word: 0),
      "it is dropped with the metadata it has by then")
  }

  static func uniqueIsAlone(_ checks: inout Checks) throws(TesseraError) {
    let unique = try UniqueFrame(allocating: TracedObject(1))
    let address = unique.address
    let sharing = ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
    checks.expect(sharing == .unique, "a unique frame cannot be shared by address")
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: address, metadata: TracedObject(2))
    }
    checks.expect(claiming == .unique, "a unique frame cannot be claimed")
    checks.expect(unique.metadata.value == 1, "the owner noticed nothing")
  }

  static func sharingUnique(_ checks: inout Checks) throws(TesseraError) {
    var unique = try UniqueFrame(allocating: TracedObject(1))
    unique.metadata.value = 6
    let frame = unique.shared()
    checks.expect(frame.referenceCount == 1, "what was unique has one owner")
    checks.expect(frame.metadata.value == 6, "sharing keeps the metadata")
    let second = frame.share()
    switch frame.unique() {
    case .converted: checks.fail("a frame with two owners does not become unique")
    case .unchanged(let original):
      checks.expect(original.referenceCount == 2, "a failed conversion returns the handle")
      _ = consume second
      checks.expect(original.referenceCount == 1, "one owner is left")
      switch original.unique() {
      case .unchanged: checks.fail("the only owner can become the unique one")
      case .converted(var again):
        again.metadata.value = 7
        checks.expect(again.metadata.value == 7, "the metadata can be changed again")
      }
    }
  }

  static func repurposing(_ checks: inout Checks) throws(TesseraError) {
    let used = FrameAllocator.statistics.usedFrameCount
    let calls = DropStatistics.callCount
    let sum = DropStatistics.checksum
    let unique = try UniqueFrame(allocating: TracedMemory(8))
    let address = unique.address
    unique.setWord(99, at: 0)
    unique.setWord(100, at: 4088)
    let object = unique.repurposed(as: TracedObject(9))
    checks.expect(object.address == address, "a repurposed frame is the same frame")
    checks.expect(object.metadata.value == 9, "it has the new metadata")
    checks.expect(DropStatistics.callCount == calls + 1, "the old metadata was dropped once")
    checks.expect(
      DropStatistics.checksum &- sum == DropStatistics.mix(8, address, word: 99),
      "the old metadata saw the bytes")
    let memory = object.repurposed(as: PlainMemory())
    checks.expect(DropStatistics.callCount == calls + 2, "metadata is dropped at each change")
    checks.expect(memory.word(at: 4088) == 100, "the bytes stay")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 1, "the frame stays in use")
    _ = consume memory
    checks.expect(FrameAllocator.statistics.usedFrameCount == used, "it goes back in the end")
    checks.expect(DropStatistics.callCount == calls + 2, "nothing is dropped twice")
  }

  static func relinquishingUnique(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    var unique = try UniqueFrame(allocating: TracedObject(10))
    unique.metadata.value = 11
    let address = unique.relinquish()
    checks.expect(DropStatistics.callCount == calls, "a relinquished frame is not dropped")
    let sharing = ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
    checks.expect(sharing == .unique, "a relinquished frame stays unique")
    // SAFETY: the unique count was relinquished above, and only here is it adopted.
    let adopted = unsafe UniqueFrame<TracedObject>(adopting: address)
    checks.expect(adopted.metadata.value == 11, "an adopted frame has its metadata")
  }
}
