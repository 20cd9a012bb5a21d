internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What the kernel does with the memory of a program, through the tables: each byte as the program
// could have used it, up to the first that it could not.

extension RandomPagingOperations {
  /// How many words are copied at once, half of them in each of two pages.
  private static var wordCount: Int { 160 }
  /// Where they begin in the first page.
  private static var firstOffset: Int { 4096 - wordCount / 2 * 8 }

  /// Some pages of one region in a row, at most `limit`, the first of which mostly has something.
  private mutating func chooseRow(of number: Int, _ limit: Int) -> Range<Int> {
    let first = choosePage(of: number)
    let end = PagingLayout.region(PagingLayout.region(of: first)).upperBound
    return first..<first + 1 + generator.below(min(limit, end - first))
  }

  /// Uses a space that is there for `body`, in which an allocation may be made to fail.
  private mutating func using<Result>(
    _ number: Int, mayFail: Bool = true, _ body: (borrowing VmSpace) -> Result
  ) -> Result? {
    guard let held = spaces[number].take() else { return nil }
    if mayFail { arm() }
    let result = body(held.space)
    options.machine.failAllocation?(0)
    spaces[number] = consume held
    return result
  }

  /// Writes two pages, where they meet.
  mutating func copyIn(_ number: Int) {
    let pages = chooseRow(of: number, 2)
    let value = generator.next()
    note(.copyIn, number, pages, value: value)
    let byteCount = pages.count * Self.wordCount / 2 * 8
    let start = PagingLayout.address(pages.lowerBound).advanced(unchecked: UInt64(Self.firstOffset))
    var words = [160 of UInt64](repeating: 0)
    for index in 0..<Self.wordCount { words[index] = value &+ UInt64(index) }
    let count = using(number) { space in
      // SAFETY: all bytes of the words are read, or half of them.
      unsafe words.span.withUnsafeBytes {
        unsafe space.write(from: $0.baseAddress.unsafelyUnwrapped, byteCount, at: start)
      }
    }
    noteUse(number, pages, .write, from: Self.firstOffset, byteCount, count ?? 0) { index, offset in
      let place = (index - pages.lowerBound) * 4096 + offset - Self.firstOffset
      return place >= 0 && place < byteCount ? value &+ UInt64(place / 8) : nil
    }
    check(number, pages)
  }

  /// Reads two pages, where they meet.
  mutating func copyOut(_ number: Int) {
    let pages = chooseRow(of: number, 2)
    note(.copyOut, number, pages)
    let byteCount = pages.count * Self.wordCount / 2 * 8
    let start = PagingLayout.address(pages.lowerBound).advanced(unchecked: UInt64(Self.firstOffset))
    var words = [160 of UInt64](repeating: 0)
    var bytes = words.mutableSpan
    let count = using(number) { space in
      // SAFETY: all bytes of the words are written, or half of them.
      unsafe bytes.withUnsafeMutableBytes {
        unsafe space.read(into: $0.baseAddress.unsafelyUnwrapped, byteCount, at: start)
      }
    }
    let end = noteUse(number, pages, .read, from: Self.firstOffset, byteCount, count ?? 0)
    for index in pages.lowerBound..<end {
      let page = page(index, of: number)
      for word in 0..<3 {
        let offset = page.hasMemory ? memories[page.memory].offset(word) : word * 2040
        let place = (index - pages.lowerBound) * 4096 + offset - Self.firstOffset
        guard place >= 0, place < byteCount else { continue }
        expect(
          words[place / 8] == (page.hasMemory ? memories[page.memory].words[word] : 0),
          "the kernel reads what was written last", number,
          PagingLayout.start(index) + UInt64(offset))
      }
    }
    check(number, pages)
  }

  /// Fills some pages with a byte, from the start of the first one or from its last word.
  mutating func fill(_ number: Int) {
    let pages = chooseRow(of: number, 4)
    let byte = UInt8(truncatingIfNeeded: generator.next())
    let first = generator.oneIn(2) ? 0 : 4088
    note(.fill, number, pages, value: UInt64(byte))
    let byteCount = pages.count * 4096 - first
    let start = PagingLayout.address(pages.lowerBound).advanced(unchecked: UInt64(first))
    let count = using(number) { $0.fill(byteCount, with: byte, at: start) }
    noteUse(number, pages, .write, from: first, byteCount, count ?? 0) { index, offset in
      index > pages.lowerBound || offset >= first
        ? UInt64(byte) &* 0x0101_0101_0101_0101 : nil
    }
    check(number, pages)
  }

  /// Exchanges a word for another, with the right expectation or with a wrong one.
  mutating func exchange(_ number: Int) {
    let index = choosePage(of: number)
    let value = generator.next()
    note(.exchange, number, index..<index + 1, value: value)
    let page = page(index, of: number)
    let word = generator.below(3)
    let offset = page.hasMemory ? memories[page.memory].offset(word) : 0
    let old = page.hasMemory ? memories[page.memory].words[word] : 0
    let expected = generator.oneIn(4) ? ~old : old
    let address = PagingLayout.address(index).advanced(unchecked: UInt64(offset))
    let found = using(number) { $0.compareExchange(expected, value, at: address) } ?? nil
    let count = found == nil ? 0 : 8
    let end = noteUse(number, index..<index + 1, .write, from: offset, 8, count)
    if end > index {
      expect(found == old, "an exchange finds what was written last", number, address.rawValue)
      if expected == old { noteWords(number, index) { $0 == offset ? value : nil } }
    }
    check(number, index..<index + 1)
  }
}

extension RandomPagingOperations {
  /// Notes that `pages` were made to allow `access`, and `count` of their `byteCount` bytes from
  /// offset `first` of the first page were used, and then are as `written` says, for a page and an
  /// offset, if that is not nil. Returns the page after the last that was used.
  @discardableResult
  private mutating func noteUse(
    _ number: Int, _ pages: Range<Int>, _ access: MemoryAccess, from first: Int,
    _ byteCount: Int, _ count: Int, written: (Int, Int) -> UInt64? = { _, _ in nil }
  ) -> Int {
    let mayRunOut = mayRunOut
    disarm()
    let isWhole = count == byteCount
    expect(isWhole || count == 0 || (first + count) % 4096 == 0, "bytes end with a page", number)
    let end = pages.lowerBound + (isWhole ? pages.count : count == 0 ? 0 : (first + count) / 4096)
    for index in pages.lowerBound..<end {
      noteResolved(number, index, access)
      // Before the next page is copied, which may have the same frame.
      noteWords(number, index) { written(index, $0) }
    }
    if end < pages.upperBound {
      let page = page(end, of: number)
      let isUsable = predicted(page, access).isResolved && page.kind != .device
      expect(
        !isUsable || mayRunOut, "the kernel uses what the program can", number,
        PagingLayout.start(end))
    }
    return end
  }

  /// Notes that a page was made to allow `access`, and used.
  private mutating func noteResolved(_ number: Int, _ index: Int, _ access: MemoryAccess) {
    let page = page(index, of: number)
    var answer = predicted(page, access)
    let (memory, byteCount) = place(of: number, index)
    if page.kind == .frame, memories[page.memory].block != nil, answer != .resolved(.nothing) {
      // The count of the block may have changed since.
      let isSame = memory == memories[page.memory].address
      answer = .resolved(isSame ? .takeover : .copy)
    }
    expect(
      answer.isResolved && page.kind != .device, "the kernel uses only what the program can",
      number, PagingLayout.start(index))
    let isLarge = byteCount == PageSize.twoMiB.byteCount
    noteAnswer(answer, number, index, memory ?? 0, isLarge, SupplyOptions())
  }

  /// Where the memory of a page is, and how many bytes its entry spans.
  private mutating func place(of number: Int, _ index: Int) -> (UInt64?, UInt64) {
    guard let held = spaces[number].take() else { return (nil, 0) }
    let memory = held.space.translate(PagingLayout.address(index))?.address.rawValue
    let byteCount = entryByteCount(held.space, index)
    spaces[number] = consume held
    return (memory, byteCount)
  }

  /// Notes the words of a page for which `written` returns what they are now, by their offsets.
  private mutating func noteWords(
    _ number: Int, _ index: Int, _ written: (_ offset: Int) -> UInt64?
  ) {
    let page = page(index, of: number)
    guard page.hasMemory else { return }
    for word in 0..<3 {
      if let value = written(memories[page.memory].offset(word)) {
        memories[page.memory].words[word] = value
      }
    }
  }
}

extension RandomPagingOperations {
  /// Copies some pages of one space over those of another, or of the same.
  mutating func copyBytes(to number: Int) {
    let source = generator.below(Self.spaceCount)
    let pages = chooseRow(of: number, 3)
    let from = choosePage(of: source)
    let end = PagingLayout.region(PagingLayout.region(of: from)).upperBound
    note(.copyBytes, number, pages, value: UInt64(source) << 16 | UInt64(from))
    guard isThere[source], source != number, from + pages.count <= end else { return }
    guard let first = spaces[source].take() else { return }
    let count = using(number, mayFail: false) { space in
      space.copy(
        pages.count * 4096, from: PagingLayout.address(from), of: first.space,
        to: PagingLayout.address(pages.lowerBound))
    }
    spaces[source] = consume first
    noteCopiedBytes(source, from, number, pages, count ?? 0)
    check(number, pages)
    check(source, from..<from + pages.count)
  }

  private mutating func noteCopiedBytes(
    _ source: Int, _ from: Int, _ number: Int, _ pages: Range<Int>, _ count: Int
  ) {
    expect(count % 4096 == 0, "bytes end with a page", number)
    let end = pages.lowerBound + count / 4096
    for index in pages {
      let other = from + index - pages.lowerBound
      let isReadable =
        predicted(page(other, of: source), .read).isResolved
        && page(other, of: source).kind != .device
      if !isReadable {
        return expect(index == end, "what cannot be read is not copied", source)
      }
      noteResolved(source, other, .read)
      let isWritable =
        predicted(page(index, of: number), .write).isResolved
        && page(index, of: number).kind != .device
      if !isWritable { return expect(index == end, "what is read-only is not written", number) }
      guard index < end else { return expect(mayRunOut, "pages are copied", number) }
      noteResolved(number, index, .write)
      noteContents(page(other, of: source), to: page(index, of: number))
    }
  }

  private mutating func noteContents(_ source: PagingPage, to target: PagingPage) {
    guard target.hasMemory, !source.hasMemory || source.memory != target.memory else { return }
    if !source.hasMemory {
      memories[target.memory].words = [3 of UInt64](repeating: 0)
    } else {
      memories[target.memory].middle = memories[source.memory].middle
      memories[target.memory].words = memories[source.memory].words
    }
  }
}
