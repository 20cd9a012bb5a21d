internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Operations of a cursor that put memory into a space.

extension RandomSpaceOperations {
  /// The place of a frame to map, a new one or one that the run has a handle to.
  private mutating func chooseFrame() -> Int? {
    if generator.oneIn(2),
      let place = accounting.handlePlace(from: generator.below(FrameAccounting.size))
    {
      return place
    }
    return newFrame()
  }

  mutating func mapFrame(_ cursor: inout Cursor, _ number: Int, _ index: Int) {
    guard world(number).isPage(index), let place = chooseFrame() else { return }
    let cells = index..<index + 1
    let expected = mapError(number, cells)
    let property = chooseProperty(number)
    var frame = accounting.share(place)
    let address = accounting.entry(place).address
    note(.mapFrame, number, cells, value: address.rawValue)
    arm()
    do throws(TesseraError) {
      try cursor.map(&frame, as: property)
      expectSuccess(cursor, number, cells, expected)
      expect(!Self.isThere(frame), "a frame that was mapped is the entry's")
      accounting.addMapping(place)
      models[number][index] = ModelPage(
        kind: .frame, value: UInt64(place), property: Self.kept(property, in: number))
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
      expect(Self.isThere(frame), "a frame that was not mapped comes back")
    }
    disarm()
    if generator.oneIn(2) { accounting.dropHandle(place) }
  }

  mutating func replace(_ cursor: inout Cursor, _ number: Int, _ index: Int) {
    guard world(number).isPage(index), let place = chooseFrame() else { return }
    let cells = index..<index + 1
    let start = world(number).start(index)
    let expected: TesseraError? =
      modelPage(index, of: number).isMapped ? nil : .notMapped(VirtualAddress(start))
    let property = chooseProperty(number)
    var frame = accounting.share(place)
    note(.replace, number, cells, value: accounting.entry(place).address.rawValue)
    arm()
    do throws(TesseraError) {
      try cursor.replace(with: &frame, as: property)
      expectSuccess(cursor, number, cells, expected)
      expect(!Self.isThere(frame), "a frame that was mapped is the entry's")
      accounting.addMapping(place)
      forgetPage(index, of: number)
      models[number][index] = ModelPage(
        kind: .frame, value: UInt64(place), property: Self.kept(property, in: number))
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
      expect(Self.isThere(frame), "a frame that was not mapped comes back")
    }
    disarm()
    if generator.oneIn(2) { accounting.dropHandle(place) }
  }

  private static func isThere(_ frame: borrowing Frame<PlainMemory>?) -> Bool {
    switch frame {
    case .some: true
    case .none: false
    }
  }
}

extension RandomSpaceOperations {
  /// Maps new frames that are supplied one by one.
  mutating func mapEach(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let limit = min(min(cells.count, 6), accounting.freeCount)
    let pages = world(number).pages(from: cells.lowerBound, atMost: limit)
    var places = [6 of Int](repeating: 0)
    for index in 0..<pages.count {
      guard let place = newFrame() else { return }
      places[index] = place
    }
    let expected = mapError(number, pages)
    let property = chooseProperty(number)
    note(.mapEach, number, pages)
    var supplied = 0
    arm()
    do throws(TesseraError) {
      try cursor.map(pageCount: pages.count, as: property) {
        guard supplied < pages.count, let frame = accounting.share(places[supplied]) else {
          panic("a cursor asks for as many frames as it maps")
        }
        supplied += 1
        return frame
      }
      expectSuccess(cursor, number, pages, expected)
      expect(supplied == pages.count, "a cursor asks for as many frames as it maps")
      for index in pages {
        let place = places[index - pages.lowerBound]
        accounting.addMapping(place)
        models[number][index] = ModelPage(
          kind: .frame, value: UInt64(place), property: Self.kept(property, in: number))
      }
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, pages)
      expect(supplied == 0, "a cursor asks for frames once nothing can fail any more")
    }
    disarm()
    for index in 0..<pages.count where generator.oneIn(2) { accounting.dropHandle(places[index]) }
  }

  /// The place of a new frame, with a handle; nil if there is no room or no memory.
  private mutating func newFrame() -> Int? {
    guard let place = accounting.freePlace(from: generator.below(FrameAccounting.size)) else {
      return nil
    }
    do throws(TesseraError) {
      accounting.keep(try Frame(allocating: PlainMemory(), .uninitialized), at: place)
      return place
    } catch { return nil }
  }
}

extension RandomSpaceOperations {
  mutating func mapSegment(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let limit = min(min(cells.count, 8), accounting.freeCount)
    let pages = world(number).pages(from: cells.lowerBound, atMost: limit)
    guard !pages.isEmpty else { return }
    var segment: Segment<PlainMemory>?
    do throws(TesseraError) {
      segment = try Segment(allocating: pages.count, .uninitialized) { _ in PlainMemory() }
    } catch { return }
    let keepsHandles = generator.oneIn(3)
    var kept = keepsHandles ? segment?.share() : nil
    let first = segment?.address ?? .zero
    note(.mapSegment, number, pages, value: first.rawValue)
    let isMapped = map(&segment, cursor: &cursor, number, pages, first)
    while isMapped, let frame = kept?.next() { keepHandle(frame) }
  }

  private mutating func map(
    _ segment: inout Segment<PlainMemory>?, cursor: inout Cursor, _ number: Int,
    _ pages: Range<Int>, _ first: PhysicalAddress
  ) -> Bool {
    let expected = mapError(number, pages)
    let property = chooseProperty(number)
    arm()
    defer { disarm() }
    do throws(TesseraError) {
      try cursor.map(&segment, as: property)
      expectSuccess(cursor, number, pages, expected)
      expect(Self.frameCount(segment) == 0, "a segment that was mapped is the entries'")
      noteMapped(pages, number, first, property)
      return true
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, pages)
      expect(Self.frameCount(segment) == pages.count, "a segment that was not mapped comes back")
      return false
    }
  }

  private mutating func noteMapped(
    _ pages: Range<Int>, _ number: Int, _ first: PhysicalAddress, _ property: PageProperty
  ) {
    for index in pages {
      let address = first + UInt64(index - pages.lowerBound) * 4096
      guard let place = accounting.noteNew(address) else { return differ("the book has room") }
      models[number][index] = ModelPage(
        kind: .frame, value: UInt64(place), property: Self.kept(property, in: number))
    }
  }

  /// Keeps a handle to a frame that was mapped just now.
  private mutating func keepHandle(_ frame: consuming Frame<PlainMemory>) {
    for place in 0..<FrameAccounting.size
    where accounting.entry(place).isUsed && accounting.entry(place).address == frame.address {
      return accounting.addHandle(frame, at: place)
    }
  }

  private static func frameCount(_ segment: borrowing Segment<PlainMemory>?) -> Int {
    switch segment {
    case .some(let segment): segment.frameCount
    case .none: 0
    }
  }
}

extension RandomSpaceOperations {
  mutating func mapDevice(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let world = world(number)
    let byteCount = world.byteCount(cells)
    guard let target = chooseTarget(world.start(cells.lowerBound), byteCount) else { return }
    let expected = mapError(number, cells)
    let property = chooseProperty(number, isDevice: true)
    note(.mapDevice, number, cells, value: target.rawValue)
    arm()
    do throws(TesseraError) {
      // SAFETY: nothing uses the memory: no program runs, and the run touches no page.
      try unsafe cursor.mapDevice(target, byteCount: byteCount, as: property)
      expectSuccess(cursor, number, cells, expected)
      models[number].mapDevice(cells, target, Self.kept(property, in: number))
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  /// Device memory to map at `start`: often where large pages can map it.
  private mutating func chooseTarget(_ start: UInt64, _ byteCount: UInt64) -> PhysicalAddress? {
    let base: UInt64 = 1 << 36
    let target: UInt64
    switch generator.below(4) {
    case 0...1:
      guard byteCount <= 520 << 30, PagingMode.current.hasOneGiBPages || byteCount <= 3 << 30 else {
        return nil
      }
      target = base + UInt64(generator.below(3)) << 30 + start & (1 << 30 - 1)
    case 2:
      guard byteCount <= 3 << 30 else { return nil }
      target = base + UInt64(generator.below(900)) << 21 + start & (1 << 21 - 1)
    default:
      guard byteCount <= 5 << 20 else { return nil }
      target = base + UInt64(generator.below(100_000)) << 12
    }
    let limit = PagingMode.current.physicalAddressLimit.rawValue
    return target + byteCount <= limit ? PhysicalAddress(target) : nil
  }
}
