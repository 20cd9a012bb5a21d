internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func uniqueMetadata(_ checks: inout Checks) throws(FrameError) {
    let calls = DropLedger.callCount
    let sum = DropLedger.checksum
    var unique = try UniqueFrame(allocating: Tally(1))
    let address = unique.address
    unique.metadata.value = 2
    unique.metadata.value += 40
    checks.expect(unique.metadata.value == 42, "the only owner changes the metadata in place")
    checks.expect(unique.size == .fourKiB, "a unique frame says its size")
    _ = consume unique
    checks.expect(DropLedger.callCount == calls + 1, "a unique frame is dropped once")
    checks.expect(
      DropLedger.checksum &- sum == DropLedger.mix(42, address, word: 0),
      "it is dropped with the metadata it has by then")
  }

  static func uniqueIsAlone(_ checks: inout Checks) throws(FrameError) {
    let unique = try UniqueFrame(allocating: Tally(1))
    let address = unique.address
    let sharing = Refusal.of { () throws(FrameError) in _ = try AnyFrame(sharing: address) }
    checks.expect(sharing == .unique, "nobody shares a unique frame by address")
    let claiming = Refusal.of { () throws(FrameError) in
      _ = try Frame(claiming: address, metadata: Tally(2))
    }
    checks.expect(claiming == .unique, "nobody claims a unique frame")
    checks.expect(unique.metadata.value == 1, "the owner noticed nothing")
  }

  static func sharingUnique(_ checks: inout Checks) throws(FrameError) {
    var unique = try UniqueFrame(allocating: Tally(1))
    unique.metadata.value = 6
    let frame = unique.shared()
    checks.expect(frame.referenceCount == 1, "what was unique has one owner")
    checks.expect(frame.metadata.value == 6, "sharing keeps the metadata")
    let second = frame.share()
    switch frame.unique() {
    case .converted: checks.fail("a frame with two owners does not become unique")
    case .unchanged(let original):
      checks.expect(original.referenceCount == 2, "a refused conversion gives the handle back")
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

  static func repurposing(_ checks: inout Checks) throws(FrameError) {
    let used = FrameAllocator.statistics.usedFrameCount
    let calls = DropLedger.callCount
    let sum = DropLedger.checksum
    let unique = try UniqueFrame(allocating: TallyMemory(8))
    let address = unique.address
    unique.setWord(99, at: 0)
    unique.setWord(100, at: 4088)
    let object = unique.repurposed(as: Tally(9))
    checks.expect(object.address == address, "a repurposed frame is the same frame")
    checks.expect(object.metadata.value == 9, "it has the new metadata")
    checks.expect(DropLedger.callCount == calls + 1, "the old metadata was dropped once")
    checks.expect(
      DropLedger.checksum &- sum == DropLedger.mix(8, address, word: 99),
      "the old metadata saw the bytes")
    let memory = object.repurposed(as: PlainMemory())
    checks.expect(DropLedger.callCount == calls + 2, "metadata is dropped at each change")
    checks.expect(memory.word(at: 4088) == 100, "the bytes stay")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 1, "the frame stays in use")
    _ = consume memory
    checks.expect(FrameAllocator.statistics.usedFrameCount == used, "it goes back in the end")
    checks.expect(DropLedger.callCount == calls + 2, "nothing is dropped twice")
  }

  static func relinquishingUnique(_ checks: inout Checks) throws(FrameError) {
    let calls = DropLedger.callCount
    var unique = try UniqueFrame(allocating: Tally(10))
    unique.metadata.value = 11
    let address = unique.relinquish()
    checks.expect(DropLedger.callCount == calls, "a relinquished frame is not dropped")
    let sharing = Refusal.of { () throws(FrameError) in _ = try AnyFrame(sharing: address) }
    checks.expect(sharing == .unique, "a relinquished frame stays unique")
    // SAFETY: the unique count was relinquished above, and only here is it adopted.
    let adopted = unsafe UniqueFrame<Tally>(adopting: address)
    checks.expect(adopted.metadata.value == 11, "an adopted frame has its metadata")
  }
}
