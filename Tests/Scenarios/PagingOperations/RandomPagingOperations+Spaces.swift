internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Spaces as a whole.

extension RandomPagingOperations {
  mutating func makeSpace(_ number: Int) {
    note(.makeSpace, number)
    guard !isThere[number] else { return }
    arm(below: 2)
    do throws(TesseraError) {
      spaces[number] = try HeldSpace()
      isThere[number] = true
      for index in 0..<PagingLayout.pageCount { models[number][index] = PagingPage() }
    } catch { noteFailure(error, nil) }
    disarm()
  }

  mutating func dropSpace(_ number: Int) {
    note(.dropSpace, number)
    // The processor may still run on the root, which maps nothing any more.
    if active == number { active = nil }
    forgetSpace(number)
  }

  /// Destroys a space, and takes all that it maps out of the book.
  mutating func forgetSpace(_ number: Int) {
    for index in 0..<PagingLayout.pageCount { forgetPage(index, of: number) }
    spaces[number] = nil
    isThere[number] = false
  }

  mutating func forgetPage(_ index: Int, of number: Int) {
    let page = page(index, of: number)
    if page.hasMemory { memories.release(page.memory) }
    models[number][index] = PagingPage()
  }

  mutating func activate(_ number: Int) {
    note(.activate, number)
    makeActive(number)
  }

  mutating func makeActive(_ number: Int) {
    guard active != number, let held = spaces[number].take() else { return }
    held.space.activate()
    active = number
    spaces[number] = consume held
  }

  mutating func deactivate() {
    note(.deactivate, active ?? 0)
    VmSpace.deactivate()
    active = nil
  }

  mutating func dropHold(_ number: Int) {
    let memory = holds[number]
    guard memory >= 0 else { return }
    note(.dropHold, 0, value: memories[memory].address)
    holds[number] = -1
    // SAFETY: the walk acquired a reference when it noted the hold.
    _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(memories[memory].address))
    memories.release(memory)
  }

  /// Keeps a reference to the frame at place `memory`, if there is room for one.
  mutating func hold(_ memory: Int) {
    let number = generator.below(Self.holdCount)
    guard holds[number] < 0 else { return }
    holds[number] = memory
    FrameTable.slot(number: memories[memory].address >> 12).share()
    memories.share(memory)
  }
}

extension RandomPagingOperations {
  mutating func fork(_ number: Int) {
    note(.fork, number)
    var child = 0
    while child < Self.spaceCount, isThere[child] { child += 1 }
    if child == Self.spaceCount && generator.oneIn(2) {
      child = (number + 1 + generator.below(Self.spaceCount - 1)) % Self.spaceCount
      dropSpace(child)
    }
    guard child < Self.spaceCount, let held = spaces[number].take() else { return }
    arm(below: 12)
    do throws(TesseraError) {
      spaces[child] = HeldSpace(try held.space.fork())
      isThere[child] = true
      noteCopied(0..<PagingLayout.pageCount, from: number, to: child)
    } catch { noteFailure(error, nil) }
    disarm()
    spaces[number] = consume held
    check(number, 0..<PagingLayout.pageCount)
    if isThere[child] { check(child, 0..<PagingLayout.pageCount) }
  }

  /// Copies pages of one space into another one, where they may be in the way.
  mutating func copy(from number: Int) {
    let target = (number + 1 + generator.below(Self.spaceCount - 1)) % Self.spaceCount
    let pages = choosePages()
    note(.copy, number, pages, value: UInt64(target))
    guard isThere[target], let first = spaces[number].take() else { return }
    if let second = spaces[target].take() {
      let expected = firstPage(in: target, pages) { $0.kind != .absent }
      copy(
        first.space, number, second.space, target, pages,
        expected.map { .alreadyMapped(PagingLayout.address($0)) })
      spaces[target] = consume second
    }
    spaces[number] = consume first
    check(number, pages)
    check(target, pages)
  }

  private mutating func copy(
    _ first: borrowing VmSpace, _ number: Int, _ second: borrowing VmSpace, _ target: Int,
    _ pages: Range<Int>, _ expected: TesseraError?
  ) {
    let range = PagingLayout.addresses(pages)
    arm(below: 8)
    do throws(TesseraError) {
      try first.withCursor(overMapped: range) { source throws(TesseraError) in
        try second.withCursor(over: range) { cursor throws(TesseraError) in
          try cursor.copy(from: &source, range.upperBound.byteCount(from: range.lowerBound))
        }
      }
      expect(expected == nil, "nothing is copied over other pages", target)
      noteCopied(pages, from: number, to: target)
    } catch { noteFailure(error, expected) }
    disarm()
  }

  private mutating func noteCopied(_ pages: Range<Int>, from number: Int, to target: Int) {
    for index in pages {
      models[number][index].noteFork()
      let page = page(index, of: number)
      if page.hasMemory { memories.share(page.memory) }
      models[target][index] = page
    }
  }

  /// The first of `pages` for which `condition` holds; nil if there is none.
  mutating func firstPage(
    in number: Int, _ pages: Range<Int>, _ condition: (PagingPage) -> Bool
  ) -> Int? {
    for index in pages where condition(page(index, of: number)) { return index }
    return nil
  }
}

extension RandomPagingOperations {
  /// Makes one of the next allocations fail, now and then. The walk expects that then.
  mutating func arm(below bound: Int = 6) {
    guard let fail = options.machine.failAllocation, generator.oneIn(8) else { return }
    isFailureArmed = true
    fail(1 + generator.below(bound))
  }

  mutating func disarm() {
    options.machine.failAllocation?(0)
    isFailureArmed = false
  }

  /// Notes that an operation failed, which should have thrown `expected`, or nothing.
  mutating func noteFailure(_ error: TesseraError, _ expected: TesseraError?) {
    if error == .outOfFrames {
      outcome.failureCount += 1
      return expect(mayRunOut, "memory that is free can be allocated")
    }
    outcome.errorCount += 1
    expect(error == expected, "an operation throws the right error")
  }

  /// Whether an allocation may fail.
  var mayRunOut: Bool {
    let statistics = FrameAllocator.statistics
    return isFailureArmed || statistics.freeFrameCount + statistics.cachedFrameCount < 600
  }
}
