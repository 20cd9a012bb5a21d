internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func saturation(_ checks: inout Checks) throws(TesseraError) {
    let saturated = FrameTable.saturatedFrameCount
    let frame = try Frame(allocating: TracedObject(1))
    let slot = FrameTable.slot(number: frame.address.frameNumber)
    let maximum = ReferenceCount.maximum
    slot.setCount(maximum - 2)
    let second = frame.share()
    checks.expect(frame.referenceCount == maximum - 1, "the count goes up to near the highest")
    checks.expect(FrameTable.saturatedFrameCount == saturated, "which is not yet the highest")
    _ = consume second
    checks.expect(frame.referenceCount == maximum - 2, "and comes down again")

    let third = frame.share()
    let fourth = frame.share()
    checks.expect(frame.referenceCount == maximum, "the count goes up to the highest")
    checks.expect(FrameTable.saturatedFrameCount == saturated + 1, "which is noted")
    let fifth = frame.share()
    checks.expect(frame.referenceCount == maximum, "there it stays when more owners come")
    _ = consume third
    _ = consume fourth
    _ = consume fifth
    checks.expect(frame.referenceCount == maximum, "and when they go")
    checks.expect(FrameTable.saturatedFrameCount == saturated + 1, "it is noted once")
    slot.setCount(1)
  }

  static func saturationByAddress(_ checks: inout Checks) throws(TesseraError) {
    let saturated = FrameTable.saturatedFrameCount
    let calls = DropStatistics.callCount
    let frame = try Frame(allocating: TracedObject(2))
    let slot = FrameTable.slot(number: frame.address.frameNumber)
    let maximum = ReferenceCount.maximum
    slot.setCount(maximum - 2)
    let second = try AnyFrame(sharing: frame.address)
    checks.expect(frame.referenceCount == maximum - 1, "sharing by address counts the same")
    let third = try AnyFrame(sharing: frame.address)
    checks.expect(frame.referenceCount == maximum, "up to the highest")
    checks.expect(FrameTable.saturatedFrameCount == saturated + 1, "which is noted")
    let fourth = try AnyFrame(sharing: frame.address)
    checks.expect(frame.referenceCount == maximum, "and not beyond")
    checks.expect(FrameTable.saturatedFrameCount == saturated + 1, "it is noted once")
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: second.address, metadata: TracedObject(3))
    }
    checks.expect(claiming == .inUse, "a saturated frame is in use")
    _ = consume second
    _ = consume third
    _ = consume fourth
    checks.expect(frame.referenceCount == maximum, "it stays so when owners go")
    checks.expect(DropStatistics.callCount == calls, "and is not dropped")
    slot.setCount(1)
  }

  static func saturationOfSegments(_ checks: inout Checks) throws(TesseraError) {
    let segment = try Segment(allocating: 3) { _ in TracedObject(4) }
    let slot = FrameTable.slot(number: segment.address.frameNumber + 1)
    slot.setCount(ReferenceCount.maximum - 1)
    let shared = segment.share()
    checks.expect(slot.count == ReferenceCount.maximum, "a segment's frame saturates alone")
    checks.expect(owners(of: segment, at: 0) == 2, "its neighbours do not")
    _ = consume shared
    checks.expect(slot.count == ReferenceCount.maximum, "a saturated frame stays in use")
    checks.expect(owners(of: segment, at: 2) == 1, "its neighbours do not")
    checks.expect(slot.makeUnique() == false, "a saturated frame does not become unique")
    slot.setCount(1)
  }

  static func permanentFrames(_ checks: inout Checks) throws(TesseraError) {
    // Frames of the kernel and the firmware are used permanently; a simulated machine may have
    // none.
    var number: UInt64 = 0
    while number < FrameTable.frameCount {
      if FrameTable.slot(number: number).count == ReferenceCount.maximum { break }
      number += 1
    }
    guard number < FrameTable.frameCount else { return }
    let slot = FrameTable.slot(number: number)
    let shared = try AnyFrame(sharing: slot.address)
    let again = shared.share()
    checks.expect(again.referenceCount == ReferenceCount.maximum, "sharing changes nothing")
    checks.expect(again.usage != .object && again.usage != .unused, "the usage says what it is")
    _ = consume shared
    _ = consume again
    checks.expect(slot.count == ReferenceCount.maximum, "handles to it come and go")
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try UniqueFrame(claiming: slot.address, metadata: TracedObject(1))
    }
    checks.expect(claiming == .inUse, "it cannot be claimed")
  }
}
