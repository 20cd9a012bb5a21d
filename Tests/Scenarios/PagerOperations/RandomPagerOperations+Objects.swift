internal import TesseraFaults
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

// Memory objects: files, and memory that spaces share.

extension RandomPagerOperations {
  /// Makes an object with `number`, if there is none.
  mutating func makeObject(_ number: Int) {
    note(.makeObject, 0, value: UInt64(number))
    if objects[number].hasHandle || isMapped(object: number) { return }
    let hasStore = number < 2
    let store = hasStore ? stores.makeStore(of: number) : nil
    let byteCount = hasStore ? PagerObject.capacity * 4096 : chooseByteCount()
    for index in 0..<PagerObject.capacity {
      var words = PagerWords()
      for word in 0..<PagerWords.count where hasStore { words[word] = generator.next() }
      set(words, at: index, ofObject: number)
      if hasStore { stores.pages[PagerStores.place(index, of: number)] = words }
    }
    arm()
    do throws(TesseraError) {
      handles[number] = HeldObject(
        try MemoryObject(
          byteCount: UInt64(byteCount), store: store, capacity: UInt64(PagerObject.capacity) * 4096)
      )
      disarm()
      objects[number] = PagerObject(hasHandle: true, byteCount: byteCount, hasStore: hasStore)
    } catch {
      objects[number] = PagerObject()
      noteError(error)
    }
  }

  /// Drops the handle to an object: it stays for as long as pages of spaces are its pages.
  mutating func dropObject(_ number: Int) {
    note(.dropObject, 0, value: UInt64(number))
    handles[number] = nil
    objects[number].hasHandle = false
  }

  mutating func mapObject(_ number: Int) {
    let pages = choosePages()
    if generator.below(4) > 0 { unmapForObject(number, pages) }
    map(
      generator.below(Self.objectCount), from: generator.below(PagerObject.capacity), number, pages,
      isShared: generator.oneIn(2))
  }

  private mutating func unmapForObject(_ number: Int, _ pages: Range<Int>) {
    guard let held = spaces[number].take() else { return }
    let range = PagerLayout.addresses(pages)
    do throws(TesseraError) {
      try held.space.withCursor(over: range) { cursor throws(TesseraError) in
        _ = try cursor.unmap(range.upperBound.byteCount(from: range.lowerBound))
      }
      spaces[number] = consume held
      for index in pages { set(PagerPage(), at: index, of: number) }
    } catch {
      spaces[number] = consume held
      noteError(error)
    }
  }

  /// Maps pages of an object from page `first` on.
  mutating func map(
    _ object: Int, from first: Int, _ number: Int, _ pages: Range<Int>, isShared: Bool
  ) {
    let access: PageAccess = generator.oneIn(6) ? .read : .readWrite
    note(.mapObject, number, pages, value: UInt64(object * 100 + first))
    let mayMeetPages = firstPage(in: number, pages) { $0.kind != .absent } != nil
    guard let held = spaces[number].take() else { return }
    guard let handle = handles[object].take() else {
      spaces[number] = consume held
      return
    }
    let property = PageProperty.userReadWrite.with(access).with(isShared: isShared)
    var failure: TesseraError?
    arm()
    do throws(TesseraError) {
      try held.space.map(
        handle.object, from: UInt64(first), at: PagerLayout.addresses(pages), as: property)
    } catch { failure = error }
    spaces[number] = consume held
    handles[object] = consume handle
    if let failure { return noteError(failure, mayMeetPages: mayMeetPages) }
    disarm()
    expect(!mayMeetPages, "an object is mapped where nothing is", number)
    for index in pages {
      let page = PagerPage(
        kind: .object, access: access, isShared: isShared, object: object,
        index: first + index - pages.lowerBound)
      set(page, at: index, of: number)
    }
  }
}

// What is done with a handle.
extension RandomPagerOperations {
  /// A length: whole pages, or up to a byte in a word or anywhere.
  private mutating func chooseByteCount() -> Int {
    let pages = generator.below(PagerObject.capacity + 1) * 4096
    if pages == PagerObject.capacity * 4096 || generator.oneIn(3) { return pages }
    return pages + (generator.oneIn(3) ? generator.below(4096) : chooseOffset())
  }

  /// Makes an object longer or shorter.
  mutating func resize(_ number: Int) {
    let byteCount = chooseByteCount()
    note(.resize, 0, value: UInt64(number) << 32 | UInt64(byteCount))
    guard let handle = handles[number].take() else { return }
    var failure: TesseraError?
    for _ in 0..<100 {
      failure = nil
      arm()
      do throws(TesseraError) {
        try handle.object.resize(to: UInt64(byteCount))
      } catch { failure = error }
      guard failure == .pageBusy else { break }
      disarm()
      waitForStores()
    }
    handles[number] = consume handle
    if failure == .storeFailed {
      disarm()
      return noteStoreFailure()
    }
    if let failure { return noteError(failure) }
    disarm()
    noteLength(number, byteCount)
  }

  /// Notes that an object has become so long.
  private mutating func noteLength(_ number: Int, _ byteCount: Int) {
    let old = objects[number].byteCount
    objects[number].byteCount = byteCount
    guard byteCount < old else { return }
    for index in byteCount / 4096..<PagerObject.capacity {
      var words = words(index, ofObject: number)
      words.clear(from: index == byteCount / 4096 ? byteCount % 4096 : 0)
      set(words, at: index, ofObject: number)
    }
    for place in 0..<Self.spaceCount * PagerLayout.pageCount {
      let page = pages[place]
      if page.isCopied, page.object == number, page.index >= objects[number].pageCount {
        outcome.survivorCount += 1
      }
    }
  }

  /// Has the store of an object have what the object has.
  mutating func synchronize(_ number: Int) {
    note(.synchronize, 0, value: UInt64(number))
    guard let handle = handles[number].take() else { return }
    var isComplete = false
    for _ in 0..<20 where !isComplete {
      isComplete = handle.object.synchronize().isComplete
      if !isComplete { stores.finish { _ in true } }
    }
    handles[number] = consume handle
    expect(isComplete, "an object is written to a store that does not fail any more")
    for index in 0..<objects[number].pageCount where objects[number].hasStore {
      expect(
        stores.pages[PagerStores.place(index, of: number)] == words(index, ofObject: number),
        "the store has what was written last", number, UInt64(index))
    }
  }

  /// Reads or writes some bytes of an object as the kernel does, mostly across two pages.
  mutating func useObject(_ number: Int, isWrite: Bool) {
    let index = generator.below(PagerObject.capacity)
    let offset = generator.oneIn(2) ? 4088 + generator.below(8) : chooseOffset() & ~7
    let count = offset >= 4088 ? 4096 - offset + generator.below(9) : 8
    let value = generator.next()
    let start = index * 4096 + offset
    note(isWrite ? .writeObject : .readObject, 0, value: UInt64(number) << 32 | UInt64(start))
    let byteCount = max(0, min(count, objects[number].byteCount - start))
    guard let handle = handles[number].take() else { return }
    var done = 0
    var end = FaultResolution.busy
    for _ in 0..<100 where end == .busy {
      var bytes = [16 of UInt8](repeating: 0)
      for place in 0..<count - done { bytes[place] = Self.byte(value, start + done + place) }
      arm(below: 4)
      let answer = Self.use(handle.object, &bytes, count - done, at: start + done, isWrite)
      end = answer.end
      for place in 0..<answer.count {
        noteByte(number, start + done + place, isWrite ? nil : bytes[place], value)
      }
      done += answer.count
      if end == .busy {
        disarm()
        waitForStores()
      }
    }
    handles[number] = consume handle
    switch end {
    case .resolved: expect(done == byteCount, "the kernel uses an object up to its end")
    case .failed: noteStoreFailure()
    case .outOfFrames: noteOutOfFrames()
    default: differ("the kernel's use of an object ends")
    }
    disarm()
  }

  private static func use(
    _ object: borrowing MemoryObject, _ bytes: inout InlineArray<16, UInt8>, _ count: Int,
    at start: Int, _ isWrite: Bool
  ) -> (count: Int, end: FaultResolution) {
    var span = bytes.mutableSpan
    // SAFETY: any bytes are good bytes for a `UInt8`.
    if isWrite { return unsafe object.write(span.bytes.extracting(0..<count), at: UInt64(start)) }
    // SAFETY: as above.
    return unsafe span.withUnsafeMutableBytes { buffer in
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count])
      var raw = unsafe MutableRawSpan(_unsafeBytes: part)
      return object.read(into: &raw, at: UInt64(start))
    }
  }

  /// Notes that the byte at `offset` of an object was read as `found`, or is one of `value`.
  private mutating func noteByte(_ number: Int, _ offset: Int, _ found: UInt8?, _ value: UInt64) {
    guard offset < objects[number].byteCount else {
      return differ("the kernel uses nothing behind the end of an object")
    }
    var words = words(offset / 4096, ofObject: number)
    if let found {
      return expect(
        words.byte(at: offset % 4096) == found, "the kernel reads what an object has", number,
        UInt64(offset))
    }
    words.setByte(Self.byte(value, offset), at: offset % 4096)
    set(words, at: offset / 4096, ofObject: number)
  }
}
