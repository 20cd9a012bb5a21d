internal import TesseraFaults
internal import TesseraHardware
internal import TesseraSpaces

// What a program does, and the kernel with its memory.

extension RandomPagerOperations {
  /// What comes after an answer to a fault.
  private enum Next {
    case again, stop
  }

  /// Reads or writes a word in user mode, and has the faults answered.
  mutating func access(_ number: Int, isWrite: Bool) {
    let index = choosePage(of: number)
    let word = generator.below(PagerWords.count)
    let page = page(index, of: number)
    // What lies behind the end of a shared object is only read.
    let isWrite = isWrite && PagerWords.offset(word) + 8 <= writableByteCount(of: page)
    let value = generator.next()
    note(isWrite ? .write : .read, number, index..<index + 1, value: value)
    access(number, index, word, isWrite ? value : nil)
    disarm()
  }

  /// Reads word `word` of a page, or writes `value` there if that is not nil.
  mutating func access(_ number: Int, _ index: Int, _ word: Int, _ value: UInt64?) {
    let page = page(index, of: number)
    let address = PagerLayout.start(index) + UInt64(PagerWords.offset(word))
    let isAllowed = allows(page, isWrite: value != nil)
    makeActive(number)
    for _ in 0..<200 {
      let found = options.machine.access(value == nil ? 0 : 1, address, value ?? 0)
      let fault = options.machine.lastFault()
      if fault == 0 {
        expect(isAllowed, "no access that the page forbids is possible", number, address)
        guard var words = contents(of: page) else { return }
        if let value {
          words[word] = value
          noteWritten(words, index, of: number)
        } else {
          expect(found == words[word], "a program reads what was written last", number, address)
        }
        return
      }
      outcome.faultCount += 1
      guard let held = spaces[number].take() else { return }
      let supply = SupplyOptions(
        zeroPageCount: 1 << (generator.below(3) * 2), cachedPageCount: 1 << (generator.below(3) * 2)
      )
      arm(below: 4)
      let answer = held.space.resolve(
        PageFault(at: VirtualAddress(address), errorCode: fault & 0xffff_ffff), supply)
      spaces[number] = consume held
      if next(after: answer, isAllowed, number, address) == .stop { return }
    }
    differ("an access faults again and again", number, address)
  }

  /// Compares an answer to an access with the model.
  private mutating func next(
    after answer: FaultResolution, _ isAllowed: Bool, _ number: Int, _ address: UInt64
  ) -> Next {
    defer { disarm() }
    switch answer {
    case .resolved:
      expect(isAllowed, "an access that is forbidden is denied", number, address)
      return isAllowed ? .again : .stop
    case .denied:
      expect(!isAllowed, "an access that is allowed is not denied", number, address)
      return .stop
    case .busy:
      waitForStores()
      return .again
    case .failed:
      noteStoreFailure()
      return .stop
    case .outOfFrames:
      noteOutOfFrames()
      return .stop
    case .needs:
      differ("no page is the kernel's to supply", number, address)
      return .stop
    }
  }

  mutating func makeActive(_ number: Int) {
    guard active != number, let held = spaces[number].take() else { return }
    held.space.activate()
    active = number
    spaces[number] = consume held
  }
}

// The kernel's use of a program's memory.
extension RandomPagerOperations {
  /// The bytes that are read or written: within a word, or the last of one page and the first of
  /// the next.
  private mutating func chooseBytes() -> (offset: Int, count: Int) {
    if generator.oneIn(3) {
      let offset = chooseOffset()
      return (offset, 1 + generator.below(8 - (offset - offset & ~7)))
    }
    let offset = 4088 + generator.below(8)
    return (offset, 4096 - offset + 1 + generator.below(8))
  }

  /// Copies some bytes from or to a program, through the tables.
  mutating func copyProgram(_ number: Int, isWrite: Bool) {
    let index = choosePage(of: number)
    let (offset, count) = chooseBytes()
    let value = generator.next()
    note(isWrite ? .copyIn : .copyOut, number, index..<index + 1, value: UInt64(offset))
    for place in 0..<count where isWrite {
      let (index, offset) = (index + (offset + place) / 4096, (offset + place) % 4096)
      guard index < PagerLayout.pageCount else { break }
      if offset >= writableByteCount(of: page(index, of: number)) { return }
    }
    var done = 0
    for _ in 0..<200 {
      let step = copyPart(number, index, offset + done, count - done, isWrite ? value : nil)
      done += step
      if done == count { return disarm() }
      // The first byte that was not copied is that of another page.
      let place = PagerLayout.start(index) + UInt64(offset + done)
      if next(atByte: place, isWrite, number) == .stop { return disarm() }
    }
    differ("the kernel's use of a page ends", number, PagerLayout.start(index))
  }

  /// Copies up to `count` bytes, at most 16. Returns how many.
  private mutating func copyPart(
    _ number: Int, _ index: Int, _ offset: Int, _ count: Int, _ value: UInt64?
  ) -> Int {
    guard let held = spaces[number].take() else { return 0 }
    var bytes = [16 of UInt8](repeating: 0)
    let start = VirtualAddress(PagerLayout.start(index) + UInt64(offset))
    if let value {
      for place in 0..<count { bytes[place] = Self.byte(value, offset + place) }
    }
    arm(below: 4)
    var span = bytes.mutableSpan
    // SAFETY: the buffer has 16 bytes, and no more are used.
    let done = unsafe span.withUnsafeMutableBytes { buffer in
      let start16 = unsafe buffer.baseAddress.unsafelyUnwrapped
      return value == nil
        ? unsafe held.space.read(into: start16, count, at: start)
        : unsafe held.space.write(from: UnsafeRawPointer(start16), count, at: start)
    }
    spaces[number] = consume held
    for place in 0..<done {
      noteByte(number, index, offset + place, value == nil ? bytes[place] : nil, value)
    }
    return done
  }

  /// The byte that is written at `offset`.
  static func byte(_ value: UInt64, _ offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: value >> UInt64(offset % 8 * 8))
  }

  /// Notes that the byte at `offset` from page `index` was read as `found`, or is one of `value`.
  private mutating func noteByte(
    _ number: Int, _ index: Int, _ offset: Int, _ found: UInt8?, _ value: UInt64?
  ) {
    let (index, place) = (index + offset / 4096, offset % 4096)
    let address = PagerLayout.start(index) + UInt64(place)
    let page = page(index, of: number)
    guard allows(page, isWrite: value != nil), var words = contents(of: page) else {
      return differ("the kernel uses no page that the program cannot", number, address)
    }
    if let value {
      words.setByte(Self.byte(value, offset), at: place)
      noteWritten(words, index, of: number)
    } else {
      expect(
        words.byte(at: place) == found, "the kernel reads what was written last", number, address)
    }
  }

  /// What comes next if the kernel could not use the byte at `address`.
  private mutating func next(atByte address: UInt64, _ isWrite: Bool, _ number: Int) -> Next {
    guard let held = spaces[number].take() else { return .stop }
    let answer = held.space.resolve(isWrite ? .write : .read, at: VirtualAddress(address))
    spaces[number] = consume held
    var isAllowed = false
    for index in 0..<PagerLayout.pageCount where PagerLayout.start(index) == address & ~4095 {
      isAllowed = allows(page(index, of: number), isWrite: isWrite)
    }
    return next(after: answer, isAllowed, number, address)
  }
}
