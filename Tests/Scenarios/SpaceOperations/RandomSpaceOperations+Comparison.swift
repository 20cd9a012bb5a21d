internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Reality against the model.

extension RandomSpaceOperations {
  /// Checks `cells` of space `number`, and the tables for them. No cursor is open.
  mutating func check(_ number: Int, _ cells: Range<Int>) {
    guard outcome.problem == nil else { return }
    expect(accounting.countsAgree, "a frame has as many owners as mappings and handles")
    if number == Self.kernelPlace {
      checkTables(number, cells)
      checkPages(number, cells)
    } else if let held = spaces[number].take() {
      checkTables(held.space, number, cells)
      checkPages(held.space, number, cells)
      spaces[number] = consume held
    }
  }

  private mutating func checkTables(
    _ space: borrowing VmSpace, _ number: Int, _ cells: Range<Int>
  ) {
    var tally = LeafCount(world(number), cells)
    space.checkInvariants(within: tally.range) { message, place, _ in
      tally.note(message, place)
    } visit: { _, address, size in
      tally.add(address, size)
    }
    compare(tally, number, cells)
  }

  private mutating func checkTables(_ number: Int, _ cells: Range<Int>) {
    var tally = LeafCount(world(number), cells)
    KernelSpace.checkInvariants(within: tally.range) { message, place, _ in
      tally.note(message, place)
    } visit: { _, address, size in
      tally.add(address, size)
    }
    compare(tally, number, cells)
  }

  private mutating func compare(_ tally: LeafCount, _ number: Int, _ cells: Range<Int>) {
    if let problem = tally.problem { differ(problem, tally.address) }
    expect(
      tally.byteCount == mappedByteCount(in: number, cells),
      "the leaves of a space are as many bytes as it maps", world(number).start(cells.lowerBound))
  }

  /// Queries and translates the first and last page of each of `cells`.
  private mutating func checkPages(
    _ space: borrowing VmSpace, _ number: Int, _ cells: Range<Int>
  ) {
    // Corrupted tables may be locked, and the lock would never be released.
    guard outcome.problem == nil else { return }
    let range = world(number).addresses(cells)
    do throws(TesseraError) {
      var cursor = try space.cursor(over: range)
      query(&cursor, number, cells)
      for index in cells { translateEnds(of: index, number) { space.translate($0) } }
      for index in cells { walkTables(space.rootAddress.rawValue, index, number) }
    } catch { differ("a range of whole pages can be locked", range.lowerBound.rawValue) }
  }

  /// The same in the kernel's area.
  private mutating func checkPages(_ number: Int, _ cells: Range<Int>) {
    // Corrupted tables may be locked, and the lock would never be released.
    guard outcome.problem == nil else { return }
    let range = world(number).addresses(cells)
    do throws(TesseraError) {
      var cursor = try KernelSpace.cursor(over: range)
      query(&cursor, number, cells)
      for index in cells { translateEnds(of: index, number) { KernelSpace.translate($0) } }
      let root = Processor.rootAddress.rawValue
      for index in cells { walkTables(root, index, number) }
    } catch { differ("a range of whole pages can be locked", range.lowerBound.rawValue) }
  }

  private mutating func translateEnds(
    of index: Int, _ number: Int,
    _ translate: (VirtualAddress) -> (address: PhysicalAddress, property: PageProperty)?
  ) {
    let world = world(number)
    let page = modelPage(index, of: number)
    let last = world.end(index) &- 1
    compare(translate(VirtualAddress(world.start(index))), page, 0, world.start(index))
    compare(translate(VirtualAddress(last)), page, last &- world.start(index), last)
  }

  /// Translates a page with the machine's own page-table walk, if there is a machine.
  private mutating func walkTables(_ root: UInt64, _ index: Int, _ number: Int) {
    guard let machine = options.machine else { return }
    let world = world(number)
    let page = modelPage(index, of: number)
    let last = world.end(index) &- 1
    let isBlockMapped = page.isMapped && page.property.access != .none
    let target = isBlockMapped ? physical(page) + (last - world.start(index)) : .max
    expect(
      machine.translates(root, last, target), "a processor's page-table walk finds what was mapped",
      last)
  }

  /// Where the memory of a mapped page is.
  mutating func physical(_ page: ModelPage) -> UInt64 {
    page.kind == .frame ? accounting.entry(Int(page.value)).address.rawValue : page.value
  }

  /// Compares a translation of the byte at `offset` of a page.
  mutating func compare(
    _ found: (address: PhysicalAddress, property: PageProperty)?, _ page: ModelPage,
    _ offset: UInt64, _ address: UInt64
  ) {
    guard page.isMapped && page.property.access != .none else {
      return expect(found == nil, "what is not mapped is not translated", address)
    }
    guard let found else { return differ("what is mapped is translated", address) }
    expect(
      found.address.rawValue == physical(page) + offset, "a page maps its memory", address)
    expect(
      found.property.withoutHistory == page.property, "a page has the property it got", address)
  }
}

extension RandomSpaceOperations {
  /// Queries the first and the last page of each of `cells`.
  private mutating func query(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let world = world(number)
    for index in cells {
      query(&cursor, number, index, at: world.start(index))
      if !world.isPage(index) { query(&cursor, number, index, at: world.end(index) - 4096) }
    }
  }

  /// Queries the page at `address` of cell `index`.
  mutating func query(_ cursor: inout Cursor, _ number: Int, _ index: Int, at address: UInt64) {
    do throws(TesseraError) {
      try cursor.jump(to: VirtualAddress(address))
      let run = try cursor.query()
      expect(cursor.address.rawValue == address, "a query does not move", address)
      compare(run, number, index, at: address)
    } catch { differ("every page of the range can be queried", address) }
  }

  private mutating func compare(_ run: PageRun, _ number: Int, _ index: Int, at address: UInt64) {
    let page = modelPage(index, of: number)
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
    case .demandZero, .pending, .swapped, .object:
      differ("only statuses that were set are found", address)
    case .mapped(let target, let property, let ownsFrame):
      guard page.isMapped else { return differ("nothing is found that is not mapped", address) }
      let world = world(number)
      expect(ownsFrame == page.ownsFrame, "what is counted is a frame", address)
      expect(property.withoutHistory == page.property, "a page has the property it got", address)
      expect(
        target.rawValue &+ (address &- start)
          == physical(page) &+ (address &- world.start(index)),
        "a page maps its memory", address)
    }
    compareRest(of: run, number, like: page)
  }

  /// All cells that an entry spans must be like the one that it was found for.
  private mutating func compareRest(of run: PageRun, _ number: Int, like page: ModelPage) {
    let start = run.start.rawValue
    let last = start &+ (run.byteCount &- 1)
    let world = world(number)
    for index in world.cells(from: start, to: last) {
      let other = modelPage(index, of: number)
      expect(
        other.kind == page.kind && (page.kind != .status || other.value == page.value)
          && (!page.isMapped || other.property == page.property),
        "pages under one entry are alike", world.start(index))
    }
  }
}

/// What a check of the tables for some cells has found: the first rule that is broken, and how many
/// bytes of the cells the leaves map.
private struct LeafCount {
  private let cells: ClosedRange<UInt64>
  /// The tables to check; nil for all.
  let range: Range<VirtualAddress>?
  private(set) var problem: StaticString?
  private(set) var address: UInt64 = 0
  private(set) var byteCount: UInt64 = 0

  init(_ world: SpaceModelLayout, _ cells: Range<Int>) {
    let end = world.start(cells.upperBound)
    self.cells = world.start(cells.lowerBound)...end - 1
    range = cells.count == world.cellCount ? nil : world.addresses(cells)
  }

  mutating func note(_ message: StaticString, _ place: VirtualAddress) {
    if problem == nil { (problem, address) = (message, place.rawValue) }
  }

  /// Adds the bytes of a page that belong to the cells.
  mutating func add(_ start: VirtualAddress, _ size: PageSize) {
    let last = start.rawValue &+ (size.byteCount - 1)
    let first = max(start.rawValue, cells.lowerBound)
    let end = min(last, cells.upperBound)
    if first <= end { byteCount += end - first + 1 }
  }
}

extension PageProperty {
  /// The same, as if the page had never been used.
  var withoutHistory: PageProperty { with(isAccessed: false, isDirty: false) }
}
