internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Blocks of 2 MiB: large leaves that own their frames, split and made again.

extension RandomSpaceOperations {
  /// The cells that are exactly the second 2 MiB of a space.
  private static var blockCells: Range<Int> {
    let (row, half) = (SpaceModelLayout.rowLength + 1, SpaceModelLayout.rowLength / 2)
    return row + half..<2 * row + half
  }

  /// Maps a block, with a cursor over little more than it.
  mutating func useBlock() {
    let number = generator.below(Self.spaceCount)
    if !isThere[number] { makeSpace(number) }
    guard isThere[number], let held = spaces[number].take() else { return }
    let before = generator.below(3)
    let cells = Self.blockCells.lowerBound - before..<Self.blockCells.upperBound + before
    useBlock(of: held.space, number, cells)
    spaces[number] = consume held
    check(number, cells)
  }

  private mutating func useBlock(
    of space: borrowing VmSpace, _ number: Int, _ cells: Range<Int>
  ) {
    do throws(TesseraError) {
      var cursor = try space.cursor(over: world(number).addresses(cells))
      try cursor.jump(to: VirtualAddress(BlockAccounting.byteCount))
      if generator.oneIn(4) {
        promote(&cursor, number, Self.blockCells)
      } else if generator.oneIn(2) {
        mapLargeFrame(&cursor, number, replacing: generator.oneIn(3))
      } else {
        mapLongSegment(&cursor, number)
      }
    } catch { differ("a range of a space can be locked") }
  }

  /// Makes large leaves where that can be. Nothing that a program sees changes.
  mutating func promote(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    note(.promote, number, cells)
    let start = world(number).start(cells.lowerBound)
    do throws(TesseraError) { try cursor.jump(to: VirtualAddress(start)) } catch {
      differ("a cursor jumps anywhere in its range")
    }
    _ = cursor.collapse(world(number).byteCount(cells))
    expectSuccess(cursor, number, cells, nil)
  }

  private mutating func mapLargeFrame(
    _ cursor: inout Cursor, _ number: Int, replacing: Bool
  ) {
    forgetUnusedBlocks()
    guard let place = chooseLargeFrame() else { return }
    let cells = Self.blockCells
    let expected = replacing ? replaceError(number, cells) : mapError(number, cells)
    let property = chooseProperty(number)
    var frame = blocks.share(place)
    let address = blocks.addresses[place] ?? .zero
    note(.mapLargeFrame, number, cells, value: address.rawValue)
    arm()
    do throws(TesseraError) {
      if replacing {
        try cursor.replace(with: &frame, as: property)
      } else {
        try cursor.map(&frame, as: property)
      }
      expectSuccess(cursor, number, cells, expected)
      for index in cells { forgetPage(index, of: number) }
      noteBlock(cells, number, address, property)
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
    if generator.oneIn(2) { blocks.dropHandle(place) }
  }

  /// The error that replacing `cells` should throw.
  private mutating func replaceError(_ number: Int, _ cells: Range<Int>) -> TesseraError? {
    for index in cells where !modelPage(index, of: number).isMapped {
      return .notMapped(VirtualAddress(world(number).start(index)))
    }
    return nil
  }

  /// The place of a large frame to which there is a handle: a new one, or one that was there.
  private mutating func chooseLargeFrame() -> Int? {
    let start = generator.below(BlockAccounting.size)
    if generator.oneIn(2) {
      for offset in 0..<BlockAccounting.size {
        let place = (start + offset) % BlockAccounting.size
        if blocks.hasHandle(place) { return place }
      }
    }
    guard let place = blocks.freePlace() else { return nil }
    do throws(TesseraError) {
      blocks.keep(
        try Frame(allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB)),
        at: place)
      return place
    } catch { return nil }
  }

  private mutating func mapLongSegment(_ cursor: inout Cursor, _ number: Int) {
    forgetUnusedBlocks()
    guard let place = blocks.freePlace() else { return }
    var segment: Segment<PlainMemory>?
    do throws(TesseraError) {
      segment = try Segment(
        allocating: 512, FrameRequest(isZeroed: false, alignment: BlockAccounting.byteCount)
      ) { _ in PlainMemory() }
    } catch { return }
    let cells = Self.blockCells
    let expected = mapError(number, cells)
    let property = chooseProperty(number)
    let address = segment?.address ?? .zero
    note(.mapLongSegment, number, cells, value: address.rawValue)
    arm()
    do throws(TesseraError) {
      try cursor.map(&segment, as: property)
      expectSuccess(cursor, number, cells, expected)
      blocks.note(address, at: place)
      noteBlock(cells, number, address, property)
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  private mutating func noteBlock(
    _ cells: Range<Int>, _ number: Int, _ address: PhysicalAddress, _ property: PageProperty
  ) {
    models[number].mapDevice(cells, address, Self.kept(property, in: number))
    for index in cells { models[number][index].kind = .block }
  }
}

extension RandomSpaceOperations {
  /// Forgets blocks that no space maps and that have no handle.
  private mutating func forgetUnusedBlocks() {
    for place in 0..<BlockAccounting.size {
      guard blocks.addresses[place] != nil, !blocks.hasHandle(place) else { continue }
      if !isBlockMapped(place) { blocks.remove(place) }
    }
  }

  private mutating func isBlockMapped(_ place: Int) -> Bool {
    for number in 0..<4 where isInUse(number) && isBlockMapped(place, in: number) { return true }
    return false
  }

  /// Whether a page of space `number` maps a part of the block at `place`.
  private mutating func isBlockMapped(_ place: Int, in number: Int) -> Bool {
    for index in 0..<world(number).cellCount {
      let page = modelPage(index, of: number)
      if page.kind == .block && blocks.place(of: page.value) == place { return true }
    }
    return false
  }

  /// Whether the model at `number` is that of a space that is still there.
  private mutating func isInUse(_ number: Int) -> Bool {
    number == Self.kernelPlace || isThere[number]
  }

  /// How many frames all blocks have that are in use, if their counts are what the leaves say.
  mutating func checkBlocks() -> UInt64 {
    forgetUnusedBlocks()
    var frameCount: UInt64 = 0
    for place in 0..<BlockAccounting.size {
      guard let address = blocks.addresses[place] else { continue }
      let use = countLeaves(of: place)
      let head = FrameTable.slot(number: address.frameNumber)
      let isLarge = blocks.hasHandle(place) || use.large > 0 || head.kind.size == .twoMiB
      if isLarge {
        frameCount += 512
        let owners = use.large + use.smallLeaves + (blocks.hasHandle(place) ? 1 : 0)
        expect(
          head.count == owners, "a large frame has as many owners as leaves and handles",
          address.rawValue)
      } else {
        frameCount += use.smallPages
        for index in 0..<512 where use.small[index] > 0 {
          expect(
            head.advanced(by: index).count == UInt64(use.small[index]),
            "a frame has as many owners as mappings and handles", address.rawValue)
        }
      }
    }
    return frameCount
  }

  private mutating func countLeaves(of place: Int) -> BlockUse {
    var use = BlockUse()
    for number in 0..<Self.spaceCount where isThere[number] && isBlockMapped(place, in: number) {
      guard let held = spaces[number].take() else { continue }
      count(held.space.rootAddress, number, place, &use)
      spaces[number] = consume held
    }
    return use
  }

  /// Counts the leaves under `root` that map a block.
  private mutating func count(
    _ root: PhysicalAddress, _ number: Int, _ place: Int, _ use: inout BlockUse
  ) {
    guard let start = blocks.addresses[place] else { return }
    let world = world(number)
    let rules = PageTableRules(isKernel: false, allowsWriteExecute: false)
    // SAFETY: the space is there.
    let node = unsafe PageTableNode(at: root)
    node.checkInvariants(
      of: PagingMode.current.rootLevel, from: VirtualAddress(0), indices: 0..<256, rules
    ) { _, _, _ in
    } visit: { entry, address, size in
      let target = entry.leafAddress(size: size).rawValue
      guard entry.ownsFrame, target &- start.rawValue < BlockAccounting.byteCount else { return }
      let cells = world.cells(from: address.rawValue, to: address.rawValue)
      guard let index = cells.first, modelPage(index, of: number).kind == .block else { return }
      if size == .twoMiB {
        use.large += 1
      } else {
        use.small[Int((target - start.rawValue) >> 12)] += 1
      }
    }
  }
}
