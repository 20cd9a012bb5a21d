internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Reality against the model.

extension SpaceWalk {
  /// Looks at `cells` of space `number`, and at all its tables. No cursor is open.
  mutating func check(_ number: Int, _ cells: Range<Int>) {
    guard outcome.problem == nil else { return }
    expect(book.countsAgree, "a frame has as many owners as mappings and handles")
    if number == Self.kernelPlace {
      checkTables(number)
      lookAround(number, cells)
    } else if let held = spaces[number].take() {
      checkTables(held.space, number)
      lookAround(held.space, number, cells)
      spaces[number] = consume held
    }
  }

  private mutating func checkTables(_ space: borrowing VmSpace, _ number: Int) {
    var problem: StaticString?
    var address: UInt64 = 0
    var mapped: UInt64 = 0
    space.checkInvariants { message, place, _ in
      if problem == nil { (problem, address) = (message, place.rawValue) }
    } visit: { _, _, size in
      mapped += size.byteCount
    }
    if let problem { differ(problem, address) }
    let world = world(number)
    expect(
      mapped == mappedByteCount(in: number, 0..<world.cellCount),
      "the leaves of a space are as many bytes as it maps")
  }

  private mutating func checkTables(_ number: Int) {
    var problem: StaticString?
    var address: UInt64 = 0
    var mapped: UInt64 = 0
    KernelSpace.checkInvariants { message, place, _ in
      if problem == nil { (problem, address) = (message, place.rawValue) }
    } visit: { _, _, size in
      mapped += size.byteCount
    }
    if let problem { differ(problem, address) }
    let world = world(number)
    expect(
      mapped == mappedByteCount(in: number, 0..<world.cellCount),
      "the leaves of the kernel's area are as many bytes as it maps")
  }

  /// Queries and translates the first and last page of each of `cells`.
  private mutating func lookAround(
    _ space: borrowing VmSpace, _ number: Int, _ cells: Range<Int>
  ) {
    // Tables that are spoiled may be locked, and nobody would ever let the lock go.
    guard outcome.problem == nil else { return }
    let range = world(number).addresses(cells)
    do throws(RangeError) {
      var cursor = try space.cursor(over: range)
      query(&cursor, number, cells)
      for index in cells { translateEnds(of: index, number) { space.translate($0) } }
      for index in cells { walkTables(space.rootAddress.rawValue, index, number) }
    } catch { differ("a range of whole pages can be locked", range.lowerBound.rawValue) }
  }

  /// The same in the kernel's area.
  private mutating func lookAround(_ number: Int, _ cells: Range<Int>) {
    // Tables that are spoiled may be locked, and nobody would ever let the lock go.
    guard outcome.problem == nil else { return }
    let range = world(number).addresses(cells)
    do throws(RangeError) {
      var cursor = try KernelSpace.cursor(over: range)
      query(&cursor, number, cells)
      for index in cells { translateEnds(of: index, number) { KernelSpace.translate($0) } }
      let root = Processor.rootRegister & PageTableEntry.addressMask
      for index in cells { walkTables(root, index, number) }
    } catch { differ("a range of whole pages can be locked", range.lowerBound.rawValue) }
  }

  private mutating func translateEnds(
    of index: Int, _ number: Int,
    _ translate: (VirtualAddress) -> (address: PhysicalAddress, property: PageProperty)?
  ) {
    let world = world(number)
    let page = wanted(index, of: number)
    let last = world.end(index) &- 1
    compare(translate(VirtualAddress(world.start(index))), page, 0, world.start(index))
    compare(translate(VirtualAddress(last)), page, last &- world.start(index), last)
  }

  /// Has the machine's own walker look at a page, if there is a machine.
  private mutating func walkTables(_ root: UInt64, _ index: Int, _ number: Int) {
    guard let machine = options.machine else { return }
    let world = world(number)
    let page = wanted(index, of: number)
    let last = world.end(index) &- 1
    let isShown = page.isMapped && page.property.access != .none
    let target = isShown ? physical(page) + (last - world.start(index)) : .max
    expect(machine.shows(root, last, target), "a processor's walk shows what was mapped", last)
  }

  /// Where the memory of a mapped page is.
  private func physical(_ page: WalkPage) -> UInt64 {
    page.kind == .frame ? book.entry(Int(page.value)).address.rawValue : page.value
  }

  /// Compares a translation of the byte at `offset` of a page.
  mutating func compare(
    _ found: (address: PhysicalAddress, property: PageProperty)?, _ page: WalkPage,
    _ offset: UInt64, _ address: UInt64
  ) {
    guard page.isMapped && page.property.access != .none else {
      return expect(found == nil, "what is not mapped is not translated", address)
    }
    guard let found else { return differ("what is mapped is translated", address) }
    expect(
      found.address.rawValue == physical(page) + offset, "a page shows its memory", address)
    expect(
      found.property.withoutHistory == page.property, "a page has the property it got", address)
  }
}

extension SpaceWalk {
  /// Queries the first and the last page of each of `cells`.
  private mutating func query(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    for index in cells {
      let world = world(number)
      query(&cursor, number, index, at: world.start(index))
      if !world.isPage(index) { query(&cursor, number, index, at: world.end(index) - 4096) }
    }
  }

  /// Queries the page at `address` of cell `index`.
  mutating func query(_ cursor: inout Cursor, _ number: Int, _ index: Int, at address: UInt64) {
    do throws(RangeError) {
      try cursor.jump(to: VirtualAddress(address))
      let run = try cursor.query()
      expect(cursor.address.rawValue == address, "a query does not move", address)
      compare(run, number, index, at: address)
    } catch { differ("every page of the range can be looked at", address) }
  }

  private mutating func compare(_ run: PageRun, _ number: Int, _ index: Int, at address: UInt64) {
    let page = wanted(index, of: number)
    let start = run.start.rawValue
    let last = start &+ (run.byteCount &- 1)
    expect(
      start <= address && address <= last && start % run.byteCount == 0,
      "what a query finds holds the page", address)
    switch run.content {
    case .absent: expect(page.kind == .absent, "what is mapped or marked is found", address)
    case .status(let payload):
      expect(
        page.kind == .status && page.value == UInt64(payload), "a status is found where it is",
        address)
    case .mapped(let target, let property, let isCounted):
      guard page.isMapped else { return differ("nothing is found that is not mapped", address) }
      let world = world(number)
      expect(isCounted == page.isCounted, "what is counted is a frame", address)
      expect(property.withoutHistory == page.property, "a page has the property it got", address)
      expect(
        target.rawValue &+ (address &- start)
          == physical(page) &+ (address &- world.start(index)),
        "a page shows its memory", address)
    }
    compareRest(of: run, number, like: page)
  }

  /// All cells that an entry spans must be like the one that it was found for.
  private mutating func compareRest(of run: PageRun, _ number: Int, like page: WalkPage) {
    let start = run.start.rawValue
    let last = start &+ (run.byteCount &- 1)
    for index in world(number).cells(from: start, to: last) {
      let other = wanted(index, of: number)
      expect(
        other.kind == page.kind && (page.kind != .status || other.value == page.value)
          && (!page.isMapped || other.property == page.property),
        "pages under one entry are alike", world(number).start(index))
    }
  }
}

extension PageProperty {
  /// The same, as if the page had never been used.
  var withoutHistory: PageProperty { with(isAccessed: false, isDirty: false) }
}
