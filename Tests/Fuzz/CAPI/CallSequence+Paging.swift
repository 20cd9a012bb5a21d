import Tessera
import TesseraHeader

// Calls of the pager, with spaces of their own: the models of the others do not know which pages it
// takes away.
extension CallSequence {
  mutating func callOfPager() {
    let started = Pager.isStarted
    switch next() % 24 {
    case 0, 1: startPager(started)
    case 2: startSwap(started)
    case 3, 4: makePagedSpace(started)
    case 5: dropPagedSpace()
    case 6, 7: createObject(started)
    case 8: shareOrDrop()
    case 9, 10: resize()
    case 11, 12: readObject()
    case 13, 14, 15: writeObject()
    case 16: sync()
    case 17: mapObject()
    case 18, 19, 20: useProgram()
    case 21: reclaim()
    default: paging.finish(Int(next() % 4))
    }
  }

  /// Begins with the pager started, mostly, and a space.
  mutating func beginPaging() {
    if next() % 8 != 0 { startPager(Pager.isStarted) }
    if next() % 4 != 0 { startSwap(Pager.isStarted) }
    for _ in 0..<2 { makePagedSpace(Pager.isStarted) }
    for _ in 0..<2 { createObject(Pager.isStarted) }
  }

  /// The calls that fail before the start have to do so.
  private func expect(_ status: tessera_result, beforeStartOf name: String) {
    paging.expect(
      Int(status) == TESSERA_ERROR_NOT_STARTED, "\(name) answers \(status) before the start")
  }

  private mutating func startPager(_ isStarted: Bool) {
    guard isPaging else { return }
    let status = tessera_pager_start()
    if isStarted {
      return paging.expect(
        Int(status) == TESSERA_ERROR_ALREADY_STARTED, "a second start: \(status)")
    }
    paging.expect(status, of: "pager_start", TESSERA_ERROR_OUT_OF_FRAMES)
    paging.state = UInt64(next()) | 1 << 8
  }

  private mutating func startSwap(_ isStarted: Bool) {
    var store = paging.makeStore()
    if next() % 8 == 0 { store.size = 0 }
    let status = tessera_swap_start(&store, UInt32(next() % 64) * 4)
    guard isStarted else { return }
    paging.expect(
      status, of: "swap_start", TESSERA_ERROR_INVALID_SIZE, TESSERA_ERROR_INVALID_ARGUMENT,
      TESSERA_ERROR_IN_USE, TESSERA_ERROR_OUT_OF_FRAMES)
  }

  /// Makes a space that is paged, or the child of one.
  private mutating func makePagedSpace(_ isStarted: Bool) {
    let place = Int(next() % 3)
    let parent = pagedSpaces[Int(next() % 3)]
    guard isStarted else {
      return expect(tessera_space_page(tessera_kernel_space()), beforeStartOf: "space_page")
    }
    guard pagedSpaces[place] == nil else {
      paging.expect(
        tessera_space_page(pagedSpaces[place]), of: "space_page")
      return
    }
    if let parent {
      let status = tessera_space_fork(parent, &pagedSpaces[place])
      if !paging.expect(status, of: "space_fork", TESSERA_ERROR_OUT_OF_FRAMES) {
        pagedSpaces[place] = nil
      }
      return
    }
    let space = pagedMemory + place
    guard Int(tessera_space_create(space)) == TESSERA_OK else { return }
    if paging.expect(tessera_space_page(space), of: "space_page", TESSERA_ERROR_OUT_OF_FRAMES) {
      pagedSpaces[place] = space
      let flags = UInt32(TESSERA_READ | TESSERA_WRITE)
      paging.expect(
        tessera_set_demand_zero(space, Self.pagedStart, 12 << 12, flags, nil),
        of: "set_demand_zero", TESSERA_ERROR_OUT_OF_FRAMES)
    } else {
      paging.expect(tessera_space_destroy(space), of: "space_destroy")
    }
  }

  private mutating func dropPagedSpace() {
    let place = Int(next() % 3)
    guard let space = pagedSpaces[place] else { return }
    pagedSpaces[place] = nil
    paging.expect(tessera_space_destroy(space), of: "space_destroy")
  }
}

// Objects.
extension CallSequence {
  /// The handle of a place, or one that there is not.
  private mutating func object() -> (place: Int, handle: tessera_object)? {
    let place = Int(next() % 4)
    guard place < 3 else {
      let wrong = UInt64(next()) << 32 | UInt64(next())
      let isOne = paging.objects.contains { $0?.handle == wrong }
      if !isOne {
        paging.expect(
          Int(tessera_object_resize(wrong, 0)) == TESSERA_ERROR_INVALID_OBJECT,
          "\(wrong) is an object")
      }
      return nil
    }
    return paging.objects[place].map { (place, $0.handle) }
  }

  private mutating func createObject(_ isStarted: Bool) {
    let place = Int(next() % 3)
    let (length, capacity) = (Int(next()) * 64, Int(next() % 10) * 4096)
    var store = paging.makeStore()
    let hasStore = next() % 2 == 0
    guard paging.objects[place] == nil else { return }
    var handle: tessera_object = 0
    let status = withUnsafePointer(to: &store) {
      tessera_object_create(hasStore ? $0 : nil, UInt64(length), UInt64(capacity), &handle)
    }
    guard isStarted else { return expect(status, beforeStartOf: "object_create") }
    if capacity == 0 || capacity < length {
      let expected = capacity == 0 ? TESSERA_ERROR_EMPTY : TESSERA_ERROR_OUT_OF_BOUNDS
      return paging.expect(Int(status) == expected, "an object without room: \(status)")
    }
    guard paging.expect(status, of: "object_create", TESSERA_ERROR_OUT_OF_FRAMES) else { return }
    paging.objects[place] = .init(
      handle: handle, bytes: [UInt8](repeating: 0, count: length), capacity: capacity)
  }

  private mutating func shareOrDrop() {
    guard let (place, handle) = object() else { return }
    if next() % 2 == 0 {
      paging.expect(tessera_object_share(handle), of: "object_share")
      paging.objects[place]?.handleCount += 1
      return
    }
    paging.expect(tessera_object_drop(handle), of: "object_drop")
    paging.objects[place]?.handleCount -= 1
    if paging.objects[place]?.handleCount == 0 { paging.objects[place] = nil }
  }

  private mutating func resize() {
    guard let (place, handle) = object(), let old = paging.objects[place] else { return }
    let length = Int(next()) << 8 | Int(next())
    let status = tessera_object_resize(handle, UInt64(length))
    // The room is whole pages.
    if length > old.capacity {
      return paging.expect(Int(status) == TESSERA_ERROR_OUT_OF_BOUNDS, "too long: \(status)")
    }
    guard
      paging.expect(
        status, of: "object_resize", TESSERA_ERROR_OUT_OF_FRAMES, TESSERA_ERROR_PAGE_BUSY,
        TESSERA_ERROR_STORE)
    else { return }
    let kept = old.bytes.prefix(length)
    paging.objects[place]?.bytes = kept + [UInt8](repeating: 0, count: length - kept.count)
  }

  /// An offset and a length, mostly across pages.
  private mutating func part() -> (offset: Int, count: Int) {
    (Int(next() % 10) << 12 &+ Int(next()) << 4, Int(next()) << 4)
  }

  private mutating func readObject() {
    guard let (place, handle) = object(), let old = paging.objects[place] else { return }
    let (offset, count) = part()
    var bytes = [UInt8](repeating: 0, count: count + 1)
    var done: UInt64 = 0
    let status = tessera_object_read(handle, UInt64(offset), &bytes, UInt64(count), &done)
    let whole = max(0, min(count, old.bytes.count - offset))
    let isOK = paging.expect(
      status, of: "object_read", TESSERA_ERROR_PAGE_BUSY, TESSERA_ERROR_STORE,
      TESSERA_ERROR_OUT_OF_FRAMES)
    paging.expect(
      isOK ? done == UInt64(whole) : done < UInt64(whole), "\(done) of \(whole) bytes were read")
    guard done <= UInt64(whole), done > 0 else { return }
    paging.expect(
      bytes.prefix(Int(done)).elementsEqual(old.bytes[offset..<offset + Int(done)]),
      "an object reads as it was not written")
  }

  private mutating func writeObject() {
    guard let (place, handle) = object(), let old = paging.objects[place] else { return }
    let (offset, count) = part()
    let byte = next()
    let bytes = (0..<count + 1).map { byte &+ UInt8(truncatingIfNeeded: $0) }
    var done: UInt64 = 0
    let status = tessera_object_write(handle, UInt64(offset), bytes, UInt64(count), &done)
    let whole = max(0, min(count, old.bytes.count - offset))
    let isOK = paging.expect(
      status, of: "object_write", TESSERA_ERROR_PAGE_BUSY, TESSERA_ERROR_STORE,
      TESSERA_ERROR_OUT_OF_FRAMES)
    paging.expect(
      isOK ? done == UInt64(whole) : done < UInt64(whole), "\(done) of \(whole) bytes were written")
    for index in 0..<min(Int(done), whole) {
      paging.objects[place]?.bytes[offset + index] = bytes[index]
    }
  }

  private mutating func sync() {
    guard let (_, handle) = object() else { return }
    var result = tessera_sync()
    let status = tessera_object_sync(handle, &result)
    paging.expect(status, of: "object_sync", TESSERA_ERROR_PAGE_BUSY, TESSERA_ERROR_STORE)
    paging.expect(
      (Int(status) == TESSERA_OK) == (result.being_written == 0 && result.failed == 0),
      "an object is written in part, and that is answered \(status)")
  }
}

// Programs.
extension CallSequence {
  /// The first of the pages of a paged space, which are in two leaf tables.
  private static let pagedStart: UInt64 = 0x80_001f_8000

  private mutating func pagedPages() -> (address: UInt64, length: UInt64) {
    (Self.pagedStart + UInt64(next() % 16) << 12, UInt64(next() % 8) << 12)
  }

  private mutating func mapObject() {
    guard let (_, handle) = object(), let space = pagedSpaces[Int(next() % 3)] else { return }
    let (address, length) = pagedPages()
    let flags = UInt32(TESSERA_READ | TESSERA_WRITE) | UInt32(next() % 2) << 13
    let status = tessera_map_object(
      space, address, length, handle, UInt64(next() % 10) << 12, flags, nil)
    paging.expect(
      status, of: "map_object", TESSERA_ERROR_EMPTY, TESSERA_ERROR_ALREADY_MAPPED,
      TESSERA_ERROR_OUT_OF_FRAMES)
  }

  /// Has a program use its pages, or changes what is there.
  private mutating func useProgram() {
    guard let space = pagedSpaces[Int(next() % 3)] else { return }
    let (address, length) = pagedPages()
    switch next() % 6 {
    case 0:
      let flags = UInt32(TESSERA_READ | TESSERA_WRITE)
      paging.expect(
        tessera_set_demand_zero(space, address, length, flags, nil), of: "set_demand_zero",
        TESSERA_ERROR_EMPTY, TESSERA_ERROR_ALREADY_MAPPED, TESSERA_ERROR_OUT_OF_FRAMES)
    case 1:
      paging.expect(
        tessera_unmap(space, address, length, nil), of: "unmap", TESSERA_ERROR_EMPTY,
        TESSERA_ERROR_OUT_OF_FRAMES)
    default:
      let access = UInt32(next() % 2 == 0 ? TESSERA_READ : TESSERA_WRITE)
      for page in stride(from: address, through: address + length, by: 4096) {
        let isDone = paging.expect(
          tessera_resolve_access(space, page, access, nil), of: "resolve_access",
          TESSERA_ERROR_DENIED, TESSERA_ERROR_PAGE_BUSY, TESSERA_ERROR_STORE,
          TESSERA_ERROR_OUT_OF_FRAMES)
        if isDone { pagedCount += 1 }
      }
    }
  }

  private mutating func reclaim() {
    var beingWritten: UInt64 = 0
    let count = UInt64(next() % 32)
    let started = Pager.isStarted
    if next() % 4 == 0 {
      let (low, high) = (UInt64(next()) << 3, UInt64(next()) << 3)
      let status = tessera_set_free_marks(low, high)
      guard started else { return expect(status, beforeStartOf: "set_free_marks") }
      paging.expect(
        Int(status) == (low > high ? TESSERA_ERROR_INVALID_ARGUMENT : TESSERA_OK),
        "marks \(low) and \(high) answer \(status)")
      _ = tessera_keep_free(&beingWritten)
    } else {
      let freed = tessera_reclaim(count, &beingWritten)
      paging.expect(started || freed == 0, "\(freed) pages are taken away before the start")
    }
    var usage = tessera_page_usage()
    usage.size = UInt64(MemoryLayout<tessera_page_usage>.size)
    let status = tessera_query_usage(0, &usage)
    if !started { return expect(status, beforeStartOf: "query_usage") }
    paging.expect(status, of: "query_usage")
  }

  /// Compares all objects, frees all that is paged, and stops the pager.
  mutating func freePaged() {
    guard Pager.isStarted else { return }
    paging.compareAll()
    paging.dropAll()
    for place in 0..<3 {
      guard let space = pagedSpaces[place] else { continue }
      pagedSpaces[place] = nil
      paging.expect(tessera_space_destroy(space), of: "space_destroy")
    }
    paging.finish()
    paging.expectNothing()
    guard paging.problem == nil else { return }
    Pager.stop()
    freeObjects()
  }

  /// Changes what the model says of an object.
  mutating func changePage() {
    _ = tessera_pager_start()
    var handle: tessera_object = 0
    guard Int(tessera_object_create(nil, 100, 4096, &handle)) == TESSERA_OK else { return }
    let place = paging.objects.firstIndex { $0 == nil } ?? 3
    if place == 3 { paging.objects.append(nil) }
    paging.objects[place] = .init(
      handle: handle, bytes: [UInt8](repeating: 0, count: 99) + [1], capacity: 4096)
  }
}
