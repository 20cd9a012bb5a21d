internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPager

// What the model says. Mutating, because swiftc 6.3.1 copies the whole walk for a call that is not.

extension RandomPagerOperations {
  @inline(never)
  mutating func page(_ index: Int, of number: Int) -> PagerPage {
    pages[number * PagerLayout.pageCount + index]
  }

  @inline(never)
  mutating func set(_ page: PagerPage, at index: Int, of number: Int) {
    pages[number * PagerLayout.pageCount + index] = page
  }

  /// The contents of page `index` of object `number`.
  mutating func words(_ index: Int, ofObject number: Int) -> PagerWords {
    objectPages[number * PagerObject.capacity + index]
  }

  mutating func set(_ words: PagerWords, at index: Int, ofObject number: Int) {
    objectPages[number * PagerObject.capacity + index] = words
  }

  /// What `page` contains; nil if it is not there, whatever its rights.
  mutating func contents(of page: PagerPage) -> PagerWords? {
    switch page.kind {
    case .absent: return nil
    case .object where !page.isCopied:
      guard page.index < objects[page.object].pageCount else { return nil }
      return words(page.index, ofObject: page.object)
    default: return page.words
    }
  }

  /// Whether a program may access `page`.
  mutating func allows(_ page: PagerPage, isWrite: Bool) -> Bool {
    guard contents(of: page) != nil else { return false }
    return isWrite ? page.access.allowsWrite : page.access.allowsRead
  }

  /// How many bytes of `page` a program may write: what is behind the end of an object stays zeros.
  mutating func writableByteCount(of page: PagerPage) -> Int {
    guard page.isObjects, page.isShared else { return 4096 }
    return objects[page.object].byteCount - page.index * 4096
  }

  /// Notes that page `index` of space `number`, which may be written, contains `words`.
  mutating func noteWritten(_ words: PagerWords, _ index: Int, of number: Int) {
    var page = page(index, of: number)
    if page.isObjects, page.isShared { return set(words, at: page.index, ofObject: page.object) }
    page.isCopied = page.kind == .object
    page.words = words
    set(page, at: index, of: number)
  }

  /// Whether a page of a space is one of object `number`.
  mutating func isMapped(object number: Int) -> Bool {
    for index in 0..<Self.spaceCount * PagerLayout.pageCount {
      if pages[index].kind == .object, pages[index].object == number { return true }
    }
    return false
  }

  /// The first of `pages` for which `condition` holds; nil if there is none.
  mutating func firstPage(
    in number: Int, _ pages: Range<Int>, _ condition: (PagerPage) -> Bool
  ) -> Int? {
    for index in pages where condition(page(index, of: number)) { return index }
    return nil
  }
}

// What is drawn.
extension RandomPagerOperations {
  /// A page of space `number`, mostly one that is there.
  mutating func choosePage(of number: Int) -> Int {
    var index = 0
    for _ in 0..<4 {
      index = generator.below(PagerLayout.pageCount)
      if page(index, of: number).kind != .absent { break }
    }
    return index
  }

  /// Some pages of one region in a row, mostly few.
  mutating func choosePages() -> Range<Int> {
    let first = generator.below(PagerLayout.pageCount)
    let left = PagerLayout.countLeft(from: first)
    return first..<first + 1 + generator.below(min(left, generator.oneIn(6) ? 28 : 8))
  }

  /// An offset in a page where a word is, or somewhere in one.
  mutating func chooseOffset() -> Int {
    PagerWords.offset(generator.below(PagerWords.count)) + generator.below(8)
  }
}

// Failures.
extension RandomPagerOperations {
  /// Makes one of the next allocations fail, now and then. The walk expects that then.
  mutating func arm(below bound: Int = 6) {
    guard let fail = options.machine.failAllocation, generator.oneIn(10) else { return }
    isFailureArmed = true
    fail(1 + generator.below(bound))
  }

  mutating func disarm() {
    options.machine.failAllocation?(0)
    isFailureArmed = false
  }

  /// Notes that there was no frame for something: because it was to be so, or because nothing more
  /// can be taken away, since the swap store is full, or a store fails or is slow.
  mutating func noteOutOfFrames() {
    if isFailureArmed {
      outcome.failureCount += 1
    } else {
      outcome.outOfFramesCount += 1
      let counts = stores.counts
      let mayBe =
        Pager.swapUsage.used >= Pager.swapUsage.pageCount || counts.failedWriteCount > 0
        || counts.waitingCount > 0 || freeFrameCount < 40
      expect(mayBe, "memory that is free can be allocated")
    }
    disarm()
    makeRoom()
  }

  var freeFrameCount: UInt64 {
    let statistics = FrameAllocator.statistics
    return statistics.freeFrameCount + statistics.cachedFrameCount
  }

  /// Notes that an operation failed, which should have thrown `alreadyMapped` or nothing.
  mutating func noteError(_ error: TesseraError, mayMeetPages: Bool = false) {
    switch error {
    case .outOfFrames: noteOutOfFrames()
    case .alreadyMapped:
      disarm()
      expect(mayMeetPages, "nothing is mapped where nothing should be")
    default:
      disarm()
      differ("an operation throws the right error")
    }
  }

  /// Notes an answer that a store has failed, which happens once for each transfer that has.
  mutating func noteStoreFailure() {
    outcome.failedCount += 1
    episodeFailedCount += 1
    expect(
      episodeFailedCount <= stores.counts.failedReadCount,
      "a page is answered failed once for each transfer that failed")
  }

  /// Waits for a page that is being read or written.
  mutating func waitForStores() {
    outcome.waitCount += 1
    expect(stores.counts.waitingCount > 0, "a page is busy only while a transfer is under way")
    stores.finish { $0.below(3) > 0 }
  }
}
