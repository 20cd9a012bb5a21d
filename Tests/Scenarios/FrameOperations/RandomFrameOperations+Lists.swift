internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  /// The place of a list with more than `least` and fewer than `most` members, chosen at random.
  private mutating func pickList(above least: Int, below most: Int) -> Int? {
    let start = generator.below(FrameModel.mostEntries)
    for offset in 0..<FrameModel.mostEntries {
      let place = (start + offset) % FrameModel.mostEntries
      let entry = model.entries[place]
      if entry.kind == .list && entry.count > least && entry.count < most { return place }
    }
    return nil
  }

  /// Takes the list at `place` out.
  private mutating func takeList(_ place: Int) -> HeldList {
    guard case .list(let list) = take(place) else {
      differ("a handle is of the kind that its entry says")
      return HeldList()
    }
    return list
  }

  mutating func makeList() {
    guard let place = freePlace() else { return }
    put(.list(HeldList()), .list, at: place, start: 0, count: 0)
  }

  mutating func push() {
    guard let source = pick({ $0 == .unique }),
      let place = pickList(above: -1, below: FrameModel.mostMembers)
    else { return }
    guard case .unique(let frame) = take(source) else { return }
    let index = model.entries[source].start
    model.entries[source].kind = .none
    var list = takeList(place)
    if generator.oneIn(2) {
      list.frames.pushFront(frame)
      note(inserted: index, at: 0, in: place)
    } else {
      list.frames.pushBack(frame)
      note(inserted: index, at: model.entries[place].count, in: place)
    }
    putBack(.list(list), .list, at: place)
  }

  mutating func insert() {
    guard let source = pick({ $0 == .unique }),
      let place = pickList(above: -1, below: FrameModel.mostMembers)
    else { return }
    guard case .unique(let frame) = take(source) else { return }
    let index = model.entries[source].start
    model.entries[source].kind = .none
    var list = takeList(place)
    let position = generator.below(model.entries[place].count + 1)
    list.frames.insert(frame, before: cursor(in: list.frames, at: position))
    note(inserted: index, at: position, in: place)
    putBack(.list(list), .list, at: place)
  }

  mutating func pop() {
    guard let place = pickList(above: 0, below: .max), let other = freePlace() else { return }
    var list = takeList(place)
    let isFront = generator.oneIn(2)
    let position = isFront ? 0 : model.entries[place].count - 1
    if let frame = isFront ? list.frames.popFront() : list.frames.popBack() {
      put(frame, from: place, at: position, to: other)
    } else {
      differ("a list that has members gives one")
    }
    putBack(.list(list), .list, at: place)
  }

  mutating func takeAtCursor() {
    guard let place = pickList(above: 0, below: .max), let other = freePlace() else { return }
    var list = takeList(place)
    let position = generator.below(model.entries[place].count)
    let entry = model.entries[place]
    var cursor =
      generator.oneIn(2)
      ? list.frames.cursor(at: model.address(entry.frame(position))) ?? list.frames.back
      : self.cursor(in: list.frames, at: position)
    if let frame = list.frames.remove(at: &cursor) {
      put(frame, from: place, at: position, to: other)
    } else {
      differ("a list gives the frame at a cursor")
    }
    let next = position + 1 < entry.count ? model.address(entry.frame(position + 1)) : nil
    expect(cursor.address == next, "a cursor goes on to the next frame when its own is taken")
    putBack(.list(list), .list, at: place)
  }

  mutating func changeInList() {
    guard let place = pickList(above: 0, below: .max) else { return }
    var list = takeList(place)
    let position = generator.below(model.entries[place].count)
    let index = model.entries[place].frame(position)
    let value = generator.next()
    let cursor = cursor(in: list.frames, at: position)
    let old = list.frames.withMetadata(at: cursor) { metadata in
      let old = metadata.value
      metadata.value = value
      return old
    }
    expect(old == model.records[index].value, "metadata of a member stays what it was")
    model.records[index].value = value
    putBack(.list(list), .list, at: place)
  }

  mutating func walkList() {
    guard let place = pickList(above: -1, below: .max) else { return }
    walkList(place)
  }

  /// Compares the list at `place` with the model, member by member.
  mutating func walkList(_ place: Int) {
    let list = takeList(place)
    let entry = model.entries[place]
    expect(list.frames.count == entry.count, "a list has the members that were put in")
    expect(list.frames.isEmpty == (entry.count == 0), "a list without members is empty")
    var cursor = list.frames.front
    for position in 0..<entry.count {
      expect(cursor.address == model.address(entry.frame(position)), "a list keeps its order")
      list.frames.moveNext(&cursor)
    }
    expect(cursor.address == nil, "after the last frame is the end of a list")
    for position in 0..<entry.count {
      list.frames.movePrevious(&cursor)
      let expected = entry.frame(entry.count - 1 - position)
      expect(cursor.address == model.address(expected), "a list keeps its order backwards")
    }
    checkMembership(list.frames, entry)
    var problem: StaticString?
    list.frames.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
    putBack(.list(list), .list, at: place)
  }

  /// Checks that a frame chosen at random is a member exactly if the model says so.
  private mutating func checkMembership(
    _ list: borrowing FrameList<TracedObject>, _ entry: FrameModel.Entry
  ) {
    let index = generator.below(model.frameCount)
    var isMember = false
    for position in 0..<entry.count where entry.frame(position) == index { isMember = true }
    expect(list.contains(model.address(index)) == isMember, "a list knows its members")
    expect(!list.contains(model.address(index) + 8), "what is no frame is in no list")
  }
}

extension RandomFrameOperations {
  /// The cursor at `position`, reached from the nearer end.
  private func cursor(in list: borrowing FrameList<TracedObject>, at position: Int)
    -> FrameListCursor
  {
    if position * 2 <= list.count {
      var cursor = list.front
      for _ in 0..<position { list.moveNext(&cursor) }
      return cursor
    }
    var cursor = list.back
    list.moveNext(&cursor)
    for _ in position..<list.count { list.movePrevious(&cursor) }
    return cursor
  }

  private mutating func note(inserted index: Int, at position: Int, in place: Int) {
    var last = model.entries[place].count
    while last > position {
      model.entries[place].members[last] = model.entries[place].members[last - 1]
      last -= 1
    }
    model.entries[place].members[position] = UInt8(index)
    model.entries[place].count += 1
  }

  /// Puts the frame that was taken from `position` of the list at `place` to `other`.
  private mutating func put(
    _ frame: consuming UniqueFrame<TracedObject>, from place: Int, at position: Int, to other: Int
  ) {
    let index = model.entries[place].frame(position)
    for later in position..<model.entries[place].count - 1 {
      model.entries[place].members[later] = model.entries[place].members[later + 1]
    }
    model.entries[place].count -= 1
    expect(frame.address == model.address(index), "a list gives the member that is there")
    expect(frame.metadata.value == model.records[index].value, "a member keeps its metadata")
    put(.unique(frame), .unique, at: other, start: index)
  }
}
