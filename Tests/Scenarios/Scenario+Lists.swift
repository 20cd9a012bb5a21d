internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  /// A list of unique frames with the values from 0 up to `count`.
  private static func list(of count: Int) throws(TesseraError) -> FrameList<TracedObject> {
    var list = FrameList<TracedObject>()
    for value in 0..<count {
      list.pushBack(try UniqueFrame(allocating: TracedObject(UInt64(value)), .uninitialized))
    }
    return list
  }

  /// Expects that the list has `count` members and keeps its rules.
  private static func check(
    _ list: borrowing FrameList<TracedObject>, has count: Int, _ checks: inout Checks
  ) {
    list.checkInvariants { checks.fail($0) }
    checks.expect(list.count == count, "a list counts its members")
    checks.expect(list.isEmpty == (count == 0), "a list is empty exactly if it has no members")
  }

  static func listOrder(_ checks: inout Checks) throws(TesseraError) {
    var list = FrameList<TracedObject>()
    check(list, has: 0, &checks)
    checks.expect(list.popFront() == nil && list.popBack() == nil, "an empty list gives nothing")
    list.pushBack(try UniqueFrame(allocating: TracedObject(2)))
    list.pushFront(try UniqueFrame(allocating: TracedObject(1)))
    list.pushBack(try UniqueFrame(allocating: TracedObject(3)))
    check(list, has: 3, &checks)
    checks.expect(list.popFront()?.metadata.value == 1, "the front is what was pushed there")
    checks.expect(list.popBack()?.metadata.value == 3, "the back is what was pushed there")
    check(list, has: 1, &checks)
    checks.expect(list.popBack()?.metadata.value == 2, "one is both front and back")
    check(list, has: 0, &checks)
  }

  static func listCursor(_ checks: inout Checks) throws(TesseraError) {
    let list = try list(of: 3)
    var cursor = list.front
    let first = cursor.address
    checks.expect(first != nil, "the front stands at a frame")
    list.moveNext(&cursor)
    list.moveNext(&cursor)
    checks.expect(cursor == list.back, "moving on comes to the last")
    list.moveNext(&cursor)
    checks.expect(cursor.address == nil, "after the last is the end")
    list.moveNext(&cursor)
    checks.expect(cursor == list.front && cursor.address == first, "after the end is the first")
    list.movePrevious(&cursor)
    checks.expect(cursor.address == nil, "before the first is the end")
    list.movePrevious(&cursor)
    checks.expect(cursor == list.back, "before the end is the last")
    let empty = FrameList<TracedObject>()
    var nowhere = empty.front
    empty.moveNext(&nowhere)
    checks.expect(nowhere.address == nil, "an empty list has only an end")
    empty.movePrevious(&nowhere)
    checks.expect(nowhere == empty.back, "in both directions")
  }

  static func listInsertion(_ checks: inout Checks) throws(TesseraError) {
    var list = try list(of: 2)
    var cursor = list.front
    list.moveNext(&cursor)
    list.insert(try UniqueFrame(allocating: TracedObject(10)), before: cursor)
    list.insert(try UniqueFrame(allocating: TracedObject(11)), before: list.front)
    list.moveNext(&cursor)
    checks.expect(cursor.address == nil, "the cursor stays at its frame when one comes before it")
    list.insert(try UniqueFrame(allocating: TracedObject(12)), before: cursor)
    check(list, has: 5, &checks)
    let expected: [5 of UInt64] = [11, 0, 10, 1, 12]
    for index in expected.indices {
      let value = list.popFront()?.metadata.value
      checks.expect(value == expected[index], "frames are where they were inserted")
    }
    check(list, has: 0, &checks)
  }

  static func listTaking(_ checks: inout Checks) throws(TesseraError) {
    var list = try list(of: 5)
    var cursor = list.front
    list.moveNext(&cursor)
    checks.expect(list.remove(at: &cursor)?.metadata.value == 1, "a frame is removed at the cursor")
    checks.expect(
      list.withMetadata(at: cursor) { $0.value } == 2, "the cursor then stands at the next")
    check(list, has: 4, &checks)
    cursor = list.back
    checks.expect(list.remove(at: &cursor)?.metadata.value == 4, "the last can be taken")
    checks.expect(cursor.address == nil, "the cursor then stands past the end")
    checks.expect(list.remove(at: &cursor) == nil, "past the end is nothing to take")
    cursor = list.front
    checks.expect(list.remove(at: &cursor)?.metadata.value == 0, "the first can be taken")
    checks.expect(cursor == list.front, "the cursor then stands at the new first")
    check(list, has: 2, &checks)
  }

  static func listMembership(_ checks: inout Checks) throws(TesseraError) {
    var list = try list(of: 2)
    var other = FrameList<TracedObject>()
    let address = list.front.address ?? .zero
    checks.expect(list.contains(address), "a list has its members")
    checks.expect(!other.contains(address), "and no other list has")
    checks.expect(list.cursor(at: address) == list.front, "a member's position is found by address")
    checks.expect(other.cursor(at: address) == nil, "but not in another list")
    checks.expect(!list.contains(address + 1), "what is not aligned is no member")
    checks.expect(!list.contains(FrameTable.end), "what is no frame is no member")
    guard let frame = list.popFront() else { return checks.fail("a list of two gives one") }
    checks.expect(!list.contains(address), "a frame that was taken out is no member")
    other.pushBack(frame)
    checks.expect(other.contains(address), "it is a member where it was put")
    check(list, has: 1, &checks)
    check(other, has: 1, &checks)
    let outsider = try Frame(allocating: TracedObject(5))
    checks.expect(!list.contains(outsider.address), "a frame that was never in a list is no member")
  }

  static func listMetadata(_ checks: inout Checks) throws(TesseraError) {
    var list = try list(of: 3)
    var cursor = list.front
    list.moveNext(&cursor)
    list.withMetadata(at: cursor) { $0.value = 100 }
    checks.expect(list.withMetadata(at: cursor) { $0.value } == 100, "metadata changes in the list")
    list.moveNext(&cursor)
    checks.expect(list.withMetadata(at: cursor) { $0.value } == 2, "that of others does not")
    list.moveNext(&cursor)
    checks.expect(list.withMetadata(at: cursor) { $0.value } == nil, "past the end there is none")
  }

  static func listOwnsMembers(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    let used = FrameAllocator.statistics.usedFrameCount
    let list = try list(of: 70)
    let address = list.front.address ?? .zero
    checks.expect(FrameAllocator.statistics.usedFrameCount == used + 70, "members are in use")
    let sharing = ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
    checks.expect(sharing == .unique, "members are unique")
    _ = consume list
    checks.expect(DropStatistics.callCount == calls + 70, "a list drops its members")
    checks.expect(FrameAllocator.statistics.usedFrameCount == used, "and gives them back")
    let slot = FrameTable.slot(number: address.frameNumber)
    checks.expect(!slot.isLinked, "a frame that was dropped is in no list")
  }

  static func listHandover(_ checks: inout Checks) throws(TesseraError) {
    let calls = DropStatistics.callCount
    var first = try list(of: 20)
    var second = FrameList<TracedObject>()
    while let frame = first.popFront() { second.pushFront(frame) }
    check(first, has: 0, &checks)
    check(second, has: 20, &checks)
    checks.expect(DropStatistics.callCount == calls, "moving from list to list drops nothing")
    checks.expect(second.popBack()?.metadata.value == 0, "what went first is last")
    guard let shared = second.popFront()?.shared() else { return checks.fail("members are left") }
    checks.expect(shared.metadata.value == 19, "a member can be shared once it has left")
    checks.expect(shared.referenceCount == 1, "and has one owner then")
  }
}
