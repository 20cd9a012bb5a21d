internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What a run does with one cursor.

extension RandomSpaceOperations {
  /// Opens a cursor over some cells of some space, does some things with it, and checks the
  /// result.
  mutating func useCursor() {
    let number = generator.oneIn(5) ? Self.kernelPlace : generator.below(Self.spaceCount)
    let cells = chooseCells(within: 0..<world(number).cellCount)
    if number == Self.kernelPlace {
      useKernelCursor(over: cells)
    } else {
      if !isThere[number] { makeSpace(number) }
      guard isThere[number], let held = spaces[number].take() else { return }
      useCursor(of: held.space, number, over: cells)
      spaces[number] = consume held
    }
    check(number, cells)
  }

  private mutating func useKernelCursor(over cells: Range<Int>) {
    arm()
    do throws(TesseraError) {
      var cursor = try KernelSpace.cursor(over: world(Self.kernelPlace).addresses(cells))
      disarm()
      work(&cursor, Self.kernelPlace, cells, count: 1 + generator.below(4))
    } catch { cannotOpen(error) }
  }

  private mutating func useCursor(
    of space: borrowing VmSpace, _ number: Int, over cells: Range<Int>
  ) {
    let range = world(number).addresses(cells)
    let isReserving = generator.oneIn(8) && world(number).byteCount(cells) <= 4 << 20
    arm()
    do throws(TesseraError) {
      var cursor = try space.cursor(over: range, reservingNodes: isReserving)
      disarm()
      if isReserving {
        workWithReserve(&cursor, number, cells)
      } else {
        work(&cursor, number, cells, count: 1 + generator.below(4))
      }
    } catch { cannotOpen(error) }
  }

  /// Notes that a cursor over a valid range was not opened.
  private mutating func cannotOpen(_ error: TesseraError) {
    expect(error == .outOfFrames, "a range is not locked only for lack of memory")
    noteFailure()
    disarm()
  }

  /// Does one thing, which cannot fail for want of memory.
  private mutating func workWithReserve(
    _ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>
  ) {
    let failures = outcome.failureCount
    work(&cursor, number, cells, count: 1)
    expect(
      outcome.failureCount == failures, "a cursor with a reservation does not run out of nodes")
  }

  private mutating func work(
    _ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>, count: Int
  ) {
    for _ in 0..<count {
      perform(SpaceOperation.withCursor(generator.below(100)), &cursor, number, cells)
      if outcome.problem != nil { return }
    }
  }

  private mutating func perform(
    _ operation: SpaceOperation, _ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>
  ) {
    let part = chooseCells(within: cells)
    do throws(TesseraError) {
      try cursor.jump(to: VirtualAddress(world(number).start(part.lowerBound)))
    } catch { differ("a cursor jumps anywhere in its range") }
    switch operation {
    case .mapFrame: mapFrame(&cursor, number, part.lowerBound)
    case .mapEach: mapEach(&cursor, number, part)
    case .promote: promote(&cursor, number, part)
    case .mapSegment: mapSegment(&cursor, number, part)
    case .mapDevice: mapDevice(&cursor, number, part)
    case .unmap: unmap(&cursor, number, part)
    case .protect: protect(&cursor, number, part)
    case .change: change(&cursor, number, part)
    case .replace: replace(&cursor, number, part.lowerBound)
    case .mark: mark(&cursor, number, part)
    case .findNext: findNext(&cursor, number, part)
    case .jump: jump(&cursor, number, cells)
    default:
      note(.query, number, part)
      for index in part { query(&cursor, number, index, at: world(number).start(index)) }
      visitRuns(&cursor, number, part)
    }
    expect(accounting.freeCount >= 0, "the book has room")
  }

  /// Some of `cells`: often one, mostly few, now and then many.
  mutating func chooseCells(within cells: Range<Int>) -> Range<Int> {
    let start = cells.lowerBound + generator.below(cells.count)
    var length = 1
    if generator.oneIn(8) {
      length = 1 + generator.below(48)
    } else if !generator.oneIn(4) {
      length = 1 + generator.below(12)
    }
    return start..<min(cells.upperBound, start + length)
  }

  /// A property for pages of space `number`.
  mutating func chooseProperty(_ number: Int, isDevice: Bool = false) -> PageProperty {
    let access: PageAccess =
      switch generator.below(10) {
      case 0: .none
      case 1..<4: .read
      case 4..<8: .readWrite
      default: .readExecute
      }
    var property = PageProperty(access, isUser: number != Self.kernelPlace)
    property.software = UInt8(generator.below(4))
    if isDevice {
      property.cachePolicy = CachePolicy(rawValue: UInt8(generator.below(4))) ?? .writeBack
    }
    return property
  }

  /// What becomes of `property` in space `number`.
  static func kept(_ property: PageProperty, in number: Int) -> PageProperty {
    guard number == kernelPlace else { return property }
    return property.with(isGlobal: PagingMode.current.hasGlobalPages)
  }

  /// Takes note of an error that was expected.
  mutating func expectError(_ error: TesseraError, _ expected: TesseraError?) {
    if error == .outOfFrames && expected == nil { return noteFailure() }
    outcome.errorCount += 1
    expect(error == expected, "an operation throws the right error")
  }

  /// An operation on `cells` has succeeded: it was allowed to, and the cursor is behind them.
  mutating func expectSuccess(
    _ cursor: borrowing Cursor, _ number: Int, _ cells: Range<Int>, _ expected: TesseraError?
  ) {
    let end = world(number).start(cells.upperBound)
    expect(
      expected == nil, "an operation that should fail throws",
      world(number).start(cells.lowerBound))
    expect(cursor.address.rawValue == end, "a cursor moves past what it changed", end)
  }

  /// An operation on `cells` has failed: the cursor has not moved.
  mutating func expectUnmoved(_ cursor: borrowing Cursor, _ number: Int, _ cells: Range<Int>) {
    let start = world(number).start(cells.lowerBound)
    expect(cursor.address.rawValue == start, "a cursor does not move when it throws", start)
  }

  /// The error that mapping `cells`, or setting their status, should throw.
  mutating func mapError(_ number: Int, _ cells: Range<Int>) -> TesseraError? {
    firstMapped(in: number, cells).map {
      .alreadyMapped(VirtualAddress(world(number).start($0)))
    }
  }
}
