internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func erasing(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let frame = try Frame(allocating: TracedObject(1))
    let address = frame.address
    let erased = frame.erased()
    checks.expect(erased.address == address, "a frame of any kind is the same frame")
    checks.expect(erased.referenceCount == 1, "a conversion moves the count")
    switch erased.typed(as: TracedObject.self) {
    case .converted(let typed):
      checks.expect(typed.metadata.value == 1, "the metadata is known again")
      checks.expect(typed.referenceCount == 1, "a conversion back moves the count")
    case .unchanged:
      checks.fail("a frame of any kind is converted back to its own kind")
    }
    checks.expect(
      DropStatistics.callCount == calls + 1, "a frame is dropped through its own metadata")
  }

  static func dropErased(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let sum = DropStatistics.checksum
    let frame = try Frame(allocating: TracedObject(77)).erased()
    let address = frame.address
    let shared = frame.share()
    _ = consume frame
    checks.expect(DropStatistics.callCount == calls, "handles of any kind count as owners")
    _ = consume shared
    checks.expect(
      DropStatistics.checksum &- sum == DropStatistics.mix(77, address, word: 0),
      "a handle of any kind drops the metadata that is there")
  }

  static func wrongType(_ checks: inout Checks) throws(TesseraError) {
    let erased = try Frame(allocating: TracedObject(2)).erased()
    let address = erased.address
    switch erased.typed(as: TracedMemory.self) {
    case .converted: checks.fail("a frame does not become one of other metadata")
    case .unchanged(let original):
      checks.expect(original.address == address, "a failed conversion returns the handle")
      checks.expect(original.referenceCount == 1, "a failed conversion touches no count")
      checks.expect(
        original.typed(as: TracedObject.self).get()?.metadata.value == 2,
        "the returned handle can still be converted")
    }
  }

  static func untyping(_ checks: inout Checks) throws(TesseraError) {
    let memory = try Frame(allocating: TracedMemory(3))
    let address = memory.address
    memory.setWord(5, at: 8)
    let untyped = memory.untyped()
    checks.expect(untyped.word(at: 8) == 5, "untyped memory is the same memory")
    let erased = untyped.erased()
    checks.expect(erased.isUntyped, "a frame of any kind says that it is plain memory")
    switch erased.untyped() {
    case .unchanged: checks.fail("plain memory of any kind is untyped")
    case .converted(let again):
      checks.expect(again.address == address && again.referenceCount == 1, "it is the same handle")
      switch again.typed(as: PlainMemory.self) {
      case .converted: checks.fail("plain memory does not become memory of other metadata")
      case .unchanged(let original):
        checks.expect(
          original.typed(as: TracedMemory.self).get()?.metadata.value == 3,
          "plain memory is converted back to its own kind")
      }
    }
  }

  static func typedIsNotUntyped(_ checks: inout Checks) throws(TesseraError) {
    let erased = try Frame(allocating: TracedObject(4)).erased()
    switch erased.untyped() {
    case .converted: checks.fail("an object's frame is not plain memory")
    case .unchanged(let original):
      checks.expect(original.referenceCount == 1, "the handle comes back as it was")
      checks.expect(!original.isUntyped, "an object's frame says that it is typed")
    }
  }

  static func metadataOfAny(_ checks: inout Checks) throws(TesseraError) {
    let frame = try Frame(allocating: TracedObject(5))
    let erased = frame.share().erased()
    checks.expect(
      erased.withMetadata(as: TracedObject.self) { $0.value } == 5,
      "the metadata of any kind can be read")
    checks.expect(
      erased.withMetadata(as: TracedMemory.self) { $0.value } == nil,
      "the metadata of another kind cannot")
    checks.expect(frame.referenceCount == 2, "reading touches no count")
  }
}
