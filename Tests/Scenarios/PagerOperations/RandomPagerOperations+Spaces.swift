internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

// Spaces, and ranges of their pages.

extension RandomPagerOperations {
  mutating func makeSomeSpace() {
    for number in 0..<Self.spaceCount where !isThere[number] { return makeSpace(number) }
  }

  /// Makes a space with anonymous pages and pages of the first objects.
  mutating func makeSpace(_ number: Int) {
    note(.makeSpace, number)
    guard !isThere[number] else { return }
    arm(below: 12)
    do throws(TesseraError) {
      let held = try HeldSpace()
      try held.space.startPaging()
      for index in 0..<PagerLayout.pageCount { set(PagerPage(), at: index, of: number) }
      spaces[number] = consume held
      isThere[number] = true
    } catch { return noteError(error) }
    disarm()
    for region in 0..<2 { setDemandZero(number, PagerLayout.pages(ofRegion: region)) }
    map(generator.below(2), from: 0, number, PagerLayout.pages(ofRegion: 2), isShared: false)
    map(
      generator.below(Self.objectCount), from: 0, number, PagerLayout.pages(ofRegion: 3),
      isShared: true)
  }

  mutating func dropSpace(_ number: Int) {
    note(.dropSpace, number)
    // The processor may still run on the root, which maps nothing any more.
    if active == number {
      if generator.oneIn(2) { VmSpace.deactivate() }
      active = nil
    }
    forgetSpace(number)
  }

  mutating func forgetSpace(_ number: Int) {
    for index in 0..<PagerLayout.pageCount { set(PagerPage(), at: index, of: number) }
    spaces[number] = nil
    isThere[number] = false
  }

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
      spaces[number] = consume held
      disarm()
    } catch {
      spaces[number] = consume held
      return noteError(error)
    }
    for index in 0..<PagerLayout.pageCount {
      set(page(index, of: number), at: index, of: child)
    }
  }

  /// Copies pages of one space to the same addresses of another, perhaps of another family. Pages
  /// of objects cannot be.
  mutating func copy(from number: Int) {
    let target = (number + 1 + generator.below(Self.spaceCount - 1)) % Self.spaceCount
    let pages = choosePages()
    note(.copy, number, pages, value: UInt64(target))
    guard isThere[target] else { return }
    if generator.oneIn(2) { unmap(target, pages) }
    let isInTheWay = firstPage(in: target, pages) { $0.kind != .absent } != nil
    let hasObjects = firstPage(in: number, pages) { $0.isObjects } != nil
    guard let first = spaces[number].take() else { return }
    if let second = spaces[target].take() {
      arm(below: 8)
      do throws(TesseraError) {
        try Self.copy(first.space, second.space, PagerLayout.addresses(pages))
        disarm()
        expect(!isInTheWay && !hasObjects, "only anonymous pages are copied", target)
        for index in pages { set(page(index, of: number), at: index, of: target) }
        spaces[target] = consume second
        spaces[number] = consume first
      } catch {
        spaces[target] = consume second
        spaces[number] = consume first
        noteError(error, mayMeetPages: isInTheWay || hasObjects)
      }
    } else {
      spaces[number] = consume first
    }
  }

  private static func copy(
    _ first: borrowing VmSpace, _ second: borrowing VmSpace, _ range: Range<VirtualAddress>
  ) throws(TesseraError) {
    try first.withCursor(overMapped: range) { source throws(TesseraError) in
      try second.withCursor(over: range) { cursor throws(TesseraError) in
        try cursor.copy(from: &source, range.upperBound.byteCount(from: range.lowerBound))
      }
    }
  }
}

extension RandomPagerOperations {
  /// Opens a cursor over `pages` for `body`, which may throw `alreadyMapped` if `mayMeetPages`.
  /// Returns whether it threw nothing.
  private mutating func change(
    _ number: Int, _ pages: Range<Int>, mayMeetPages: Bool = false,
    _ body: (inout Cursor) throws(TesseraError) -> Void
  ) -> Bool {
    guard let held = spaces[number].take() else { return false }
    arm()
    do throws(TesseraError) {
      try held.space.withCursor(over: PagerLayout.addresses(pages), body)
      spaces[number] = consume held
      disarm()
      return true
    } catch {
      spaces[number] = consume held
      noteError(error, mayMeetPages: mayMeetPages)
      return false
    }
  }

  /// Moves pages to others of the space, as `mremap` does. Pages of objects cannot be.
  mutating func move(_ number: Int) {
    var pages = choosePages()
    // Of several some are mostly an object's.
    if generator.oneIn(3) {
      let index = choosePage(of: number)
      pages = index..<index + 1
    }
    let first = generator.below(PagerLayout.pageCount)
    let target = first..<first + min(pages.count, PagerLayout.countLeft(from: first))
    let source = pages.lowerBound..<pages.lowerBound + target.count
    note(.move, number, source, value: UInt64(first))
    if target.overlaps(source) { return }
    if generator.oneIn(2) { unmap(number, target) }
    let mayMeetPages =
      firstPage(in: number, target) { $0.kind != .absent } != nil
      || firstPage(in: number, source) { $0.isObjects } != nil
    guard let held = spaces[number].take() else { return }
    arm()
    do throws(TesseraError) {
      try held.space.move(PagerLayout.addresses(source), to: PagerLayout.address(first))
      spaces[number] = consume held
      disarm()
    } catch {
      spaces[number] = consume held
      return noteError(error, mayMeetPages: mayMeetPages)
    }
    expect(!mayMeetPages, "only anonymous pages are moved, to where nothing is", number)
    for place in 0..<source.count {
      set(page(source.lowerBound + place, of: number), at: first + place, of: number)
      set(PagerPage(), at: source.lowerBound + place, of: number)
    }
  }

  mutating func protect(_ number: Int) {
    let pages = choosePages()
    let access: PageAccess =
      switch generator.below(8) {
      case 0: .none
      case 1, 2: .read
      default: .readWrite
      }
    note(.protect, number, pages, value: UInt64(access.rawValue))
    let byteCount = PagerLayout.byteCount(pages)
    let isDone = change(number, pages) { cursor throws(TesseraError) in
      try cursor.protect(byteCount, to: access)
    }
    for index in pages where isDone {
      var page = page(index, of: number)
      page.access = access
      if page.kind != .absent { set(page, at: index, of: number) }
    }
  }

  mutating func unmap(_ number: Int) { unmap(number, choosePages()) }

  private mutating func unmap(_ number: Int, _ pages: Range<Int>) {
    note(.unmap, number, pages)
    let byteCount = PagerLayout.byteCount(pages)
    let isDone = change(number, pages) { cursor throws(TesseraError) in
      _ = try cursor.unmap(byteCount)
    }
    for index in pages where isDone { set(PagerPage(), at: index, of: number) }
  }

  /// Has pages begin again as zeros.
  mutating func replace(_ number: Int) {
    let pages = choosePages()
    note(.replace, number, pages)
    let byteCount = PagerLayout.byteCount(pages)
    let isDone = change(number, pages) { cursor throws(TesseraError) in
      _ = try cursor.unmap(byteCount)
    }
    for index in pages where isDone { set(PagerPage(), at: index, of: number) }
    setDemandZero(number, pages)
  }

  mutating func setDemandZero(_ number: Int) { setDemandZero(number, choosePages()) }

  /// Has pages be zeros, if none of them is in memory: also some that are in swap.
  private mutating func setDemandZero(_ number: Int, _ pages: Range<Int>) {
    note(.setDemandZero, number, pages)
    let mayMeetPages = firstPage(in: number, pages) { $0.kind != .absent } != nil
    let byteCount = PagerLayout.byteCount(pages)
    let isDone = change(number, pages, mayMeetPages: mayMeetPages) {
      cursor throws(TesseraError) in
      try cursor.setDemandZero(byteCount, as: .userReadWrite)
    }
    for index in pages where isDone { set(PagerPage(kind: .anonymous), at: index, of: number) }
  }
}
