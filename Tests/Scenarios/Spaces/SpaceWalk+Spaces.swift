internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What a walk does without a cursor.

extension SpaceWalk {
  mutating func makeSpace(_ number: Int) {
    guard !isThere[number] else { return }
    note(.makeSpace, number)
    arm(below: 2)
    do throws(FrameError) {
      spaces[number] = try HeldSpace()
      isThere[number] = true
      models[number].clear()
    } catch {
      expect(error == .outOfFrames, "a space is refused for want of memory alone")
      noteRefusal()
    }
    disarm()
    if isThere[number] { check(number, 0..<1) }
  }

  mutating func dropSpace() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number] else { return }
    note(.dropSpace, number)
    if active == number {
      for index in 0..<world(number).cellCount {
        models[Self.ghostPlace][index] = wanted(index, of: number)
      }
      active = Self.ghostPlace
    } else {
      forget(number)
    }
    spaces[number] = nil
    isThere[number] = false
    expect(book.countsAgree, "a frame has as many owners as mappings and handles")
  }

  mutating func activate() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number], let held = spaces[number].take() else { return }
    note(.activate, number)
    activate(held.space, number)
    spaces[number] = consume held
  }

  private mutating func activate(_ space: borrowing VmSpace, _ number: Int) {
    space.activate()
    leaveGhost()
    active = number
    let root = Processor.rootAddress.rawValue
    expect(root == space.rootAddress.rawValue, "the processor runs on the space that is active")
    expect(space.activeProcessorCount == 1, "an active space knows its processor")
    expect(book.countsAgree, "a frame has as many owners as mappings and handles")
  }

  mutating func deactivate() {
    note(.deactivate, active ?? 0)
    VmSpace.deactivate()
    leaveGhost()
    active = nil
    expect(book.countsAgree, "a frame has as many owners as mappings and handles")
  }

  /// The processor has left a space that was dropped: what that mapped is gone.
  mutating func leaveGhost() {
    if active == Self.ghostPlace { forget(Self.ghostPlace) }
    active = nil
  }

  /// Takes all mappings of a space that is gone out of the book.
  mutating func forget(_ number: Int) {
    for index in 0..<world(number).cellCount { forgetPage(index, of: number) }
  }

  /// Takes what a page maps out of the book and the model.
  mutating func forgetPage(_ index: Int, of number: Int) {
    let page = wanted(index, of: number)
    if page.kind == .frame { book.removeMapping(Int(page.value)) }
    models[number][index] = WalkPage()
  }

  mutating func dropHandle() {
    if generator.oneIn(4) { return blocks.dropHandle(generator.below(BlockBook.size)) }
    guard let place = book.handlePlace(from: generator.below(FrameBook.size)) else { return }
    note(.dropHandle, 0, value: book.entry(place).address.rawValue)
    book.dropHandle(place)
    expect(book.countsAgree, "a frame has as many owners as mappings and handles")
  }

  mutating func drainPool() {
    note(.drainPool, 0)
    NodePool.drain()
    expect(NodePool.count == 0, "no spare node is left")
  }
}

extension SpaceWalk {
  /// Takes everything out of the kernel's area.
  mutating func clearKernel() {
    forget(Self.kernelPlace)
    let area = KernelSpace.area
    do throws(RangeError) {
      var cursor = try KernelSpace.cursor(over: area)
      do throws(MapError) {
        try cursor.unmap(area.upperBound.byteCount(from: area.lowerBound))
      } catch { differ("the kernel's area can be cleared") }
    } catch { differ("the kernel's area can be locked") }
  }

  /// Translates some addresses that no program can have mapped, and some that it may have.
  mutating func translate() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number], let held = spaces[number].take() else { return }
    let index = generator.below(world(number).cellCount)
    note(.translate, number, index..<index + 1)
    translate(held.space, number, index)
    spaces[number] = consume held
  }

  private mutating func translate(_ space: borrowing VmSpace, _ number: Int, _ index: Int) {
    let world = world(number)
    let size = world.byteCount(index..<index + 1)
    let offset = generator.next() % size
    let address = world.start(index) + offset
    compare(space.translate(VirtualAddress(address)), wanted(index, of: number), offset, address)
    let width = UInt64(PagingMode.current.virtualAddressWidth)
    let bit = generator.next() % (63 - width) + width
    expect(
      space.translate(VirtualAddress(address | 1 << bit)) == nil,
      "an address that is not canonical shows nothing", address | 1 << bit)
    expect(
      space.translate(VirtualAddress(VmSpace.end.rawValue + generator.next() % 4096)) == nil,
      "the last page of the lower half shows nothing")
  }

  /// Asks for cursors over ranges that cannot be had.
  mutating func refuseRange() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number], let held = spaces[number].take() else { return }
    note(.refuseRange, number)
    let end = VmSpace.end.rawValue
    let start = (generator.next() % (end >> 12)) << 12
    expectRefusal(held.space, start, start, .empty)
    expectRefusal(held.space, start + 1 + generator.next() % 4095, end, .notAligned)
    expectRefusal(held.space, start, end - 1 - generator.next() % 4095, .notAligned)
    expectRefusal(held.space, start, end + 4096, .outOfBounds)
    expectRefusal(held.space, start, ~0xfff, .outOfBounds)
    expectRefusal(held.space, 0xffff_8000_0000_0000, 0xffff_8000_0000_1000, .outOfBounds)
    expectRefusal(held.space, 1 << 62, 1 << 62 + 4096, .outOfBounds)
    spaces[number] = consume held
  }

  private mutating func expectRefusal(
    _ space: borrowing VmSpace, _ start: UInt64, _ end: UInt64, _ expected: RangeError
  ) {
    guard start <= end else { return }
    do throws(RangeError) {
      _ = try space.cursor(over: VirtualAddress(start)..<VirtualAddress(end))
      differ("a wrong range is refused", start)
    } catch {
      expect(error == expected, "a wrong range is refused for the right reason", start)
    }
  }
}

extension SpaceWalk {
  /// Makes one of the next allocations fail, now and then. The walk expects that then.
  mutating func arm(below bound: Int = 6) {
    guard let machine = options.machine else { return }
    if outcome.sabotagedStep != nil && options.sabotage == .unannouncedFailure {
      machine.failAllocation(1)
    } else if generator.oneIn(6) {
      isArmed = true
      machine.failAllocation(1 + generator.below(bound))
    }
  }

  mutating func disarm() {
    options.machine?.failAllocation(0)
    isArmed = false
  }

  /// Takes note that an operation was refused for want of memory.
  mutating func noteRefusal() {
    outcome.refusalCount += 1
    expect(isArmed || isExhausted, "memory that is there is given out")
  }

  /// Whether there is no memory left at all.
  private var isExhausted: Bool {
    let statistics = FrameAllocator.statistics
    return statistics.freeFrameCount + statistics.cachedFrameCount < 600
  }
}
