import Tessera
import TesseraHeader

// The calls. Each draws its arguments, and tells the model what it answered.
extension CallSequence {
  /// Makes one call.
  mutating func call() {
    switch next() % 48 {
    case 0...6: callOfFrames()
    case 7...9: callOfSpaces()
    case 10...20: callOfPages()
    case 21...23: openCursor()
    case 24: closeCursor(Int(next() % 4))
    case 25...31: callOfCursor()
    case 32...39: callOfHeap()
    default: callOfPager()
    }
  }

  private mutating func callOfFrames() {
    let index = Int(next() % 8)
    let frame = frame()
    switch next() % 8 {
    case 0, 1, 2:
      if Int(tessera_allocate(&frames[index])) == TESSERA_OK { model.allocated(frames[index]) }
    case 3: allocateFromRequest(index)
    case 4: model.shared(frame, tessera_share(frame))
    case 5: model.dropped(frame, tessera_drop(frame))
    case 6:
      let count = UInt64(next() % 4)
      if Int(tessera_drop_run(frame, count)) == TESSERA_OK { model.consumed(frame, count: count) }
    default: if Int(tessera_claim(frame)) == TESSERA_OK { model.allocated(frame) }
    }
  }

  private mutating func allocateFromRequest(_ index: Int) {
    var request = tessera_request()
    request.size = UInt64(MemoryLayout<tessera_request>.size)
    request.count = UInt64(next() % 6)
    request.frame_size = [0, 4096, 0x20_0000, 5][Int(next() % 4)]
    request.flags = UInt64(next() % 3)
    guard Int(tessera_allocate_as(&request, &frames[index])) == TESSERA_OK else { return }
    // A large frame has its handles at its first.
    model.allocated(frames[index], count: max(1, request.count))
  }

  private mutating func callOfSpaces() {
    let place = place()
    switch next() % 3 {
    case 0:
      guard place < 3, Int(tessera_space_create(spaces + place)) == TESSERA_OK else { return }
      model.emptied(place)
    case 1:
      // Destroying one with an open cursor would panic.
      guard !isLocked(place) else { return }
      if Int(tessera_space_destroy(space(place))) == TESSERA_OK { model.emptied(place) }
    default: _ = tessera_space_activate(space(place))
    }
  }

  private mutating func openCursor() {
    let place = place()
    guard place < 4, !isLocked(place) else { return }
    let status = tessera_cursor_open(
      cursors + place, space(place), address(), length(), UInt32(next() % 3))
    if Int(status) == TESSERA_OK { model.locked(place, true) }
  }

  mutating func closeCursor(_ place: Int) {
    _ = tessera_cursor_close(cursors + place)
    model.locked(place, false)
  }
}

// Calls that change pages, by themselves or through a cursor.
extension CallSequence {
  /// What one such call did: the place, the address and the length that it was about.
  typealias Subject = (place: Int, address: UInt64, length: UInt64)

  private mutating func callOfPages() {
    let place = place()
    let address = address()
    guard !isLocked(place) else { return }
    let space = space(place)
    var count: UInt64 = 0
    switch next() % 13 {
    case 0, 1, 2:
      let frame = frame()
      note(
        mapped: frame, (place, address, size(frame)),
        tessera_map(space, address, frame, flags(), nil))
    case 3:
      let (frame, pages) = (frame(), UInt64(next() % 4))
      let status = tessera_map_run(space, address, frame, pages, flags(), nil)
      note(mapped: frame, (place, address, pages << 12), status, count: pages)
    case 4, 5:
      let length = length()
      note(
        zeroed: (place, address, length), tessera_map_zeroed(space, address, length, flags(), nil))
    case 6:
      let length = length()
      let status = tessera_map_device(space, address, 0xffff_0000, length, flags(), nil)
      note(device: (place, address, length), status)
    case 7:
      let frame = frame()
      let status = tessera_replace(space, address, frame, flags(), nil)
      note(replacedBy: frame, (place, address, size(frame)), status)
    case 8, 9:
      let length = length()
      let status = tessera_unmap(space, address, length, &count)
      note(unmapped: (place, address, length), status, count)
    case 10:
      if next() % 2 == 0 {
        _ = tessera_protect(space, address, length(), flags(), nil)
      } else {
        _ = tessera_change(space, address, length(), flags(), flags(), nil)
      }
    case 11:
      let length = length()
      note(status: 7, (place, address, length), tessera_set_status(space, address, length, 7, nil))
    default: copy(to: place, address)
    }
  }

  private mutating func copy(to place: Int, _ address: UInt64) {
    let (source, length) = (self.place(), length())
    guard !isLocked(source) else { return }
    let status = tessera_copy(space(place), space(source), address, length, nil)
    guard place < 4, source < 4 else { return }
    model.copied(place, from: source, address, length, status)
    if next() % 4 == 0 { _ = gathering { tessera_dump(space(place), $0, $1) } }
  }

  private mutating func callOfCursor() {
    let place = Int(next() % 4)
    let cursor = cursors + place
    let position = tessera_cursor_address(cursor)
    var count: UInt64 = 0
    switch next() % 12 {
    case 0: _ = tessera_cursor_jump(cursor, address())
    case 1, 2:
      let frame = frame()
      let status = tessera_cursor_map(cursor, frame, flags(), nil)
      note(mapped: frame, (place, position, size(frame)), status)
    case 3:
      let (frame, pages) = (frame(), UInt64(next() % 4))
      let status = tessera_cursor_map_run(cursor, frame, pages, flags(), nil)
      note(mapped: frame, (place, position, pages << 12), status, count: pages)
    case 4, 5:
      let length = length()
      let status = tessera_cursor_map_zeroed(cursor, length, flags(), nil)
      note(zeroed: (place, position, length), status)
    case 6:
      let frame = frame()
      let status = tessera_cursor_replace(cursor, frame, flags(), nil)
      note(replacedBy: frame, (place, position, size(frame)), status)
    case 7, 8:
      let length = length()
      let status = tessera_cursor_unmap(cursor, length, &count)
      note(unmapped: (place, position, length), status, count)
    case 9:
      if next() % 2 == 0 {
        _ = tessera_cursor_protect(cursor, length(), flags(), nil)
      } else {
        _ = tessera_cursor_change(cursor, length(), flags(), flags(), nil)
      }
    case 10:
      let length = length()
      let status = tessera_cursor_set_status(cursor, length, 9, nil)
      note(status: 9, (place, position, length), status)
    default: _ = tessera_cursor_clear_access_bits(cursor, length(), UInt32(next()) << 8, nil)
    }
  }
}

// What the model is told.
extension CallSequence {
  /// The size of a frame; 4 KiB if there is no such frame.
  private func size(_ frame: tessera_frame) -> UInt64 {
    var info = tessera_frame_info()
    info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
    return Int(tessera_frame_query(frame, &info)) == TESSERA_OK ? info.frame_size : 4096
  }

  /// `count` frames from `frame` were mapped, which has used up a handle of each.
  private mutating func note(
    mapped frame: tessera_frame, _ subject: Subject, _ status: tessera_result, count: UInt64 = 1
  ) {
    guard subject.place < 4 else { return }
    if Int(status) == TESSERA_OK { model.consumed(frame, count: count) }
    model.filled(subject.place, subject.address, subject.length, status) {
      .memory(frame + $0, isFrame: true)
    }
  }

  private mutating func note(zeroed subject: Subject, _ status: tessera_result) {
    guard subject.place < 4 else { return }
    model.filled(subject.place, subject.address, subject.length, status) { _ in
      .memory(nil, isFrame: true)
    }
  }

  private mutating func note(device subject: Subject, _ status: tessera_result) {
    guard subject.place < 4 else { return }
    model.filled(subject.place, subject.address, subject.length, status) {
      .memory(0xffff_0000 + $0, isFrame: false)
    }
  }

  private mutating func note(status: UInt32, _ subject: Subject, _ answer: tessera_result) {
    guard subject.place < 4 else { return }
    model.filled(subject.place, subject.address, subject.length, answer) { _ in .status(status) }
  }

  private mutating func note(
    replacedBy frame: tessera_frame, _ subject: Subject, _ status: tessera_result
  ) {
    guard subject.place < 4 else { return }
    if Int(status) == TESSERA_OK { model.consumed(frame) }
    model.replaced(subject.place, subject.address, subject.length, by: frame, status)
  }

  private mutating func note(
    unmapped subject: Subject, _ status: tessera_result, _ byteCount: UInt64
  ) {
    guard subject.place < 4 else { return }
    model.unmapped(subject.place, subject.address, subject.length, status, byteCount)
  }
}
