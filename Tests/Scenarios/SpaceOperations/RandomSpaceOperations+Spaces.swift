internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What a run does without a cursor.

extension RandomSpaceOperations {
  mutating func makeSpace(_ number: Int) {
    guard !isThere[number] else { return }
    note(.makeSpace, number)
    arm(below: 2)
    do throws(TesseraError) {
      spaces[number] = try HeldSpace()
      isThere[number] = true
      models[number].clear()
    } catch {
      expect(error == .outOfFrames, "creating a space fails only for lack of memory")
      noteFailure()
    }
    disarm()
    if isThere[number] { check(number, 0..<1) }
  }

  mutating func dropSpace() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number] else { return }
    note(.dropSpace, number)
    // The processor may still run on the root, which maps nothing any more.
    if active == number { active = nil }
    forget(number)
    spaces[number] = nil
    isThere[number] = false
    expect(accounting.countsAgree, "a frame has as many owners as mappings and handles")
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
    active = number
    let root = Processor.rootAddress.rawValue
    expect(root == space.rootAddress.rawValue, "the processor runs on the space that is active")
    expect(space.activeProcessorCount == 1, "an active space knows its processor")
    expect(accounting.countsAgree, "a frame has as many owners as mappings and handles")
  }

  mutating func deactivate() {
    note(.deactivate, active ?? 0)
    VmSpace.deactivate()
    active = nil
    expect(accounting.countsAgree, "a frame has as many owners as mappings and handles")
  }

  /// Takes all mappings of a space that is gone out of the book.
  mutating func forget(_ number: Int) {
    for index in 0..<world(number).cellCount { forgetPage(index, of: number) }
  }

  /// Takes what a page maps out of the book and the model.
  mutating func forgetPage(_ index: Int, of number: Int) {
    let page = modelPage(index, of: number)
    if page.kind == .frame { accounting.removeMapping(Int(page.value)) }
    models[number][index] = ModelPage()
  }

  mutating func dropHandle() {
    if generator.oneIn(4) { return blocks.dropHandle(generator.below(BlockAccounting.size)) }
    guard let place = accounting.handlePlace(from: generator.below(FrameAccounting.size)) else {
      return
    }
    note(.dropHandle, 0, value: accounting.entry(place).address.rawValue)
    accounting.dropHandle(place)
    expect(accounting.countsAgree, "a frame has as many owners as mappings and handles")
  }

  mutating func drainPool() {
    note(.drainPool, 0)
    NodePool.drain()
    expect(NodePool.count == 0, "no spare node is left")
  }
}

extension RandomSpaceOperations {
  /// Takes everything out of the kernel's area.
  mutating func clearKernel() {
    forget(Self.kernelPlace)
    let area = KernelSpace.area
    do throws(TesseraError) {
      var cursor = try KernelSpace.cursor(over: area)
      do throws(TesseraError) {
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
    compare(space.translate(VirtualAddress(address)), modelPage(index, of: number), offset, address)
    let width = UInt64(PagingMode.current.virtualAddressWidth)
    let bit = generator.next() % (63 - width) + width
    expect(
      space.translate(VirtualAddress(address | 1 << bit)) == nil,
      "an address that is not canonical is not translated", address | 1 << bit)
    expect(
      space.translate(VirtualAddress(VmSpace.end.rawValue + generator.next() % 4096)) == nil,
      "the last page of the lower half is not translated")
  }

  /// Asks for cursors over ranges that cannot be had.
  mutating func tryInvalidRange() {
    let number = generator.below(Self.spaceCount)
    guard isThere[number], let held = spaces[number].take() else { return }
    note(.tryInvalidRange, number)
    let end = VmSpace.end.rawValue
    let start = (generator.next() % (end >> 12)) << 12
    expectCursorError(held.space, start, start, .empty)
    expectCursorError(held.space, start + 1 + generator.next() % 4095, end, .notAligned)
    expectCursorError(held.space, start, end - 1 - generator.next() % 4095, .notAligned)
    expectCursorError(held.space, start, end + 4096, .outOfBounds)
    expectCursorError(held.space, start, ~0xfff, .outOfBounds)
    expectCursorError(held.space, 0xffff_8000_0000_0000, 0xffff_8000_0000_1000, .outOfBounds)
    expectCursorError(held.space, 1 << 62, 1 << 62 + 4096, .outOfBounds)
    spaces[number] = consume held
  }

  private mutating func expectCursorError(
    _ space: borrowing VmSpace, _ start: UInt64, _ end: UInt64, _ expected: TesseraError
  ) {
    guard start <= end else { return }
    do throws(TesseraError) {
      _ = try space.cursor(over: VirtualAddress(start)..<VirtualAddress(end))
      differ("an invalid range throws", start)
    } catch {
      expect(error == expected, "an invalid range throws the right error", start)
    }
  }
}

extension RandomSpaceOperations {
  /// Makes one of the next allocations fail, now and then. The run expects that then.
  mutating func arm(below bound: Int = 6) {
    guard let machine = options.machine else { return }
    if outcome.faultStep != nil && options.injectedFault == .unannouncedFailure {
      machine.failAllocation(1)
    } else if generator.oneIn(6) {
      isFailureArmed = true
      machine.failAllocation(1 + generator.below(bound))
    }
  }

  mutating func disarm() {
    options.machine?.failAllocation(0)
    isFailureArmed = false
  }

  /// Notes that an operation failed for lack of memory.
  mutating func noteFailure() {
    outcome.failureCount += 1
    expect(isFailureArmed || isExhausted, "memory that is free can be allocated")
  }

  /// Whether there is no memory left at all.
  private var isExhausted: Bool {
    let statistics = FrameAllocator.statistics
    return statistics.freeFrameCount + statistics.cachedFrameCount < 600
  }
}
