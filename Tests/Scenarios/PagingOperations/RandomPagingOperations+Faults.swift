internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What a program does, and how its faults are answered.

extension RandomPagingOperations {
  /// A page of space `number`, mostly one that has something.
  mutating func choosePage(of number: Int) -> Int {
    var index = 0
    for _ in 0..<12 {
      let pages = choosePages()
      index = pages.lowerBound + generator.below(min(pages.count, 24))
      if page(index, of: number).hasProperty { break }
    }
    return index
  }

  private mutating func chooseOptions() -> SupplyOptions {
    let count = generator.oneIn(2) ? 1 : generator.oneIn(2) ? 16 : 512
    return SupplyOptions(
      bringsLargePages: generator.oneIn(2) && memories.hasRoomForBlock, zeroPageCount: count)
  }

  /// Reads, writes or executes a word in user mode, and has the faults answered.
  mutating func access(_ access: MemoryAccess, _ number: Int) {
    let index = choosePage(of: number)
    let word = generator.below(3)
    let value = generator.next()
    if access == .execute && !options.machine.canExecute { return resolve(access, number, index) }
    note(access.operation, number, index..<index + 1, value: value)
    makeActive(number)
    let kind = access == .read ? 0 : access == .write ? 1 : 2
    var spuriousCount = 0
    for _ in 0..<4 {
      let page = page(index, of: number)
      let address =
        PagingLayout.start(index)
        + UInt64(page.hasMemory ? memories[page.memory].offset(word) : word * 8)
      let isAllowed = predicted(page, access) == .resolved(.nothing)
      let found = options.machine.access(kind, address, value)
      let fault = options.machine.lastFault()
      if fault == 0 {
        expect(isAllowed, "no access that the page forbids is possible", number, address)
        noteAccess(access, page, word, access == .read ? found : value, number, address)
        return check(number, index..<index + 1)
      }
      if isAllowed { spuriousCount += 1 }
      expect(spuriousCount <= 1, "an access that is allowed faults once at most", number, address)
      let isPresent = page.isMapped && page.property.access != .none
      expect(fault & 1 == (isPresent ? 1 : 0), "a fault tells what is present", number, address)
      let supply = chooseOptions()
      let answer = answer(number, index, access, supply) { space in
        space.resolve(
          PageFault(at: VirtualAddress(address), errorCode: fault & 0xffff_ffff), supply)
      }
      guard answer.isResolved, outcome.problem == nil else { return }
    }
    differ("an access faults again and again", number, PagingLayout.start(index))
  }

  /// Notes an access that was possible, which has read or written `value`.
  private mutating func noteAccess(
    _ access: MemoryAccess, _ page: PagingPage, _ word: Int, _ value: UInt64, _ number: Int,
    _ address: UInt64
  ) {
    switch access {
    case .read:
      expect(
        value == (page.hasMemory ? memories[page.memory].words[word] : 0),
        "a program reads what was written last", number, address)
    case .write: if page.hasMemory { memories[page.memory].words[word] = value }
    case .execute: break
    }
  }

  /// Asks for an access that no program has made, perhaps of a space that is not active.
  mutating func resolveAnyhow(_ number: Int) {
    let access: MemoryAccess =
      switch generator.below(3) {
      case 0: .read
      case 1: .write
      default: .execute
      }
    resolve(access, number, choosePage(of: number))
  }

  private mutating func resolve(_ access: MemoryAccess, _ number: Int, _ index: Int) {
    note(.resolve, number, index..<index + 1, value: access == .read ? 0 : access == .write ? 1 : 2)
    let options = chooseOptions()
    let address = VirtualAddress(PagingLayout.start(index) + generator.next() % 4096)
    _ = answer(number, index, access, options) { space in
      space.resolve(access, at: address, options)
    }
  }
}

extension MemoryAccess {
  fileprivate var operation: PagingOperation {
    switch self {
    case .read: .read
    case .write: .write
    case .execute: .execute
    }
  }
}

extension RandomPagingOperations {
  /// What the answer to an access to `page` should be.
  mutating func predicted(_ page: PagingPage, _ access: MemoryAccess) -> FaultResolution {
    let isAllowed = page.property.access.allows(access)
    switch page.kind {
    case .absent: return .denied
    case .status: return .needs(page.payload)
    case .pending: return isAllowed ? .needs(page.payload) : .denied
    case .demandZero:
      return isAllowed ? .resolved(access == .write ? .zeroedFrame : .zeros) : .denied
    case .zeros, .frame, .device:
      if isAllowed { return .resolved(.nothing) }
      guard access == .write, page.property.isCopyOnWrite, page.property.access != .none else {
        return .denied
      }
      if page.kind == .zeros { return .resolved(.zeroedFrame) }
      return .resolved(memories.hasOneOwner(page.memory) ? .takeover : .copy)
    }
  }

  /// Has `resolve` answer for an access to a page, and compares the answer, and what it did, with
  /// the model.
  private mutating func answer(
    _ number: Int, _ index: Int, _ access: MemoryAccess, _ options: SupplyOptions,
    _ resolve: (borrowing VmSpace) -> FaultResolution
  ) -> FaultResolution {
    guard let held = spaces[number].take() else { return .denied }
    let expected = predicted(page(index, of: number), access)
    let before = entryByteCount(held.space, index)
    let hasLargeFrame = FrameAllocator.statistics.largestFreeBlock >= 512
    arm(below: 5)
    let answer = resolve(held.space)
    let (isArmed, mayRunOut) = (isFailureArmed, mayRunOut)
    disarm()
    let after = entryByteCount(held.space, index)
    let memory = held.space.translate(PagingLayout.address(index))?.address.rawValue
    spaces[number] = consume held

    outcome.answers[answer.number] += 1
    if answer == .outOfFrames {
      expect(mayRunOut, "memory that is free can be allocated", number)
      expect(expected.takesMemory, "an answer takes no memory in vain", number)
    } else {
      expect(answer == expected, "a fault has the right answer", number, PagingLayout.start(index))
    }
    let isLarge = after == PageSize.twoMiB.byteCount
    if answer == .resolved(.zeroedFrame) {
      let mayBeLarge =
        options.bringsLargePages && page(index, of: number).kind == .demandZero
        && before >= PageSize.twoMiB.byteCount
      expect(!isLarge || mayBeLarge, "no large page takes the place of others", number)
      expect(isLarge || !mayBeLarge || isArmed || !hasLargeFrame, "a large page comes", number)
    }
    checkFresh(answer, number, index, memory ?? 0, isLarge)
    noteAnswer(answer, number, index, memory ?? 0, isLarge, options)
    check(number, PagingLayout.pages(around: index, options.zeroPageCount))
    check(number, isLarge ? PagingLayout.block : index..<index + 1)
    return answer
  }

  /// Notes what `answer` made of a page, which then maps the memory at `address`, by a large page
  /// if `isLarge`.
  mutating func noteAnswer(
    _ answer: FaultResolution, _ number: Int, _ index: Int, _ address: UInt64, _ isLarge: Bool,
    _ options: SupplyOptions
  ) {
    switch answer {
    case .resolved(.zeros): noteZeros(number, index, options)
    case .resolved(.zeroedFrame): noteZeroed(number, index, address, isLarge)
    case .resolved(.copy): noteCopy(number, index, address)
    case .resolved(.takeover):
      for index in isLarge ? PagingLayout.block : index..<index + 1 {
        models[number][index].becomeOwn(page(index, of: number).memory)
      }
    default: break
    }
    let isNewFrame = answer == .resolved(.copy) || answer == .resolved(.zeroedFrame)
    if isNewFrame && number == active {
      expect(self.options.machine.isCoherent(), "the frame before is out of the TLB", number)
    }
  }

  /// How many bytes the entry of a page spans.
  mutating func entryByteCount(_ space: borrowing VmSpace, _ index: Int) -> UInt64 {
    do throws(TesseraError) {
      return try space.withCursor(overMapped: PagingLayout.addresses(index..<index + 1)) {
        cursor throws(TesseraError) in try cursor.query().entryByteCount
      }
    } catch {
      differ("a page can be locked and queried", 0, PagingLayout.start(index))
      return 0
    }
  }
}

extension RandomPagingOperations {
  /// The frame of zeros is mapped in the page, and in others like it around it.
  private mutating func noteZeros(_ number: Int, _ index: Int, _ options: SupplyOptions) {
    let page = page(index, of: number)
    for other in PagingLayout.pages(around: index, options.zeroPageCount)
    where self.page(other, of: number) == page {
      models[number][other].becomeZeros()
    }
  }

  /// Frames that are filled with zeros are mapped, the first of them at `address`.
  private mutating func noteZeroed(
    _ number: Int, _ index: Int, _ address: UInt64, _ isLarge: Bool
  ) {
    let pages = isLarge ? PagingLayout.block : index..<index + 1
    let first = isLarge ? address & ~(PageSize.twoMiB.byteCount - 1) : address
    let block = isLarge ? memories.addBlock(first) : nil
    for index in pages {
      let offset = UInt64(index - pages.lowerBound) * 4096
      models[number][index].becomeOwn(noteMemory(at: first + offset, filled: 0, block: block))
    }
    if isLarge { outcome.largePageCount += 1 }
  }

  /// Checks all bytes of the memory at `address` that a page just got as `answer` says.
  private mutating func checkFresh(
    _ answer: FaultResolution, _ number: Int, _ index: Int, _ address: UInt64, _ isLarge: Bool
  ) {
    switch answer {
    case .resolved(.zeroedFrame):
      let byteCount = (isLarge ? PageSize.twoMiB : .fourKiB).byteCount
      expect(
        isFilledWithZeros(address & ~(byteCount - 1), byteCount), "a fresh page is all zeros",
        number, address)
    case .resolved(.copy):
      let source = memories[page(index, of: number).memory].address
      expect(isCopy(address, of: source), "a copy has all bytes", number, address)
    default: break
    }
  }

  private func isFilledWithZeros(_ address: UInt64, _ byteCount: UInt64) -> Bool {
    // SAFETY: the memory was just mapped, and only reading it is needed.
    unsafe PhysicalMemory.isFilled(
      from: PhysicalAddress(address), with: 0, byteCount: byteCount)
  }

  /// The page has a copy of its frame at `address`.
  private mutating func noteCopy(_ number: Int, _ index: Int, _ address: UInt64) {
    let source = page(index, of: number).memory
    var copy = memories[source]
    copy.address = address
    copy.block = nil
    memories.release(source)
    models[number][index].becomeOwn(memories.add(copy))
  }

  private func isCopy(_ address: UInt64, of source: UInt64) -> Bool {
    if address == source { return false }
    for offset in stride(from: 0, to: 4096, by: 8)
    where Self.word(at: address, offset) != Self.word(at: source, offset) {
      return false
    }
    return true
  }

  /// The word at `offset` of the memory at `address`.
  static func word(at address: UInt64, _ offset: Int) -> UInt64 {
    // SAFETY: the walk asks only for memory that is mapped somewhere.
    unsafe PhysicalMemory.loadWord(
      from: PhysicalMemory.pointer(to: PhysicalAddress(address)) + offset)
  }
}

extension FaultResolution {
  /// The place of the answer in `RandomPagingOutcome.answers`.
  fileprivate var number: Int {
    switch self {
    case .resolved(.nothing): 0
    case .resolved(.zeros): 1
    case .resolved(.zeroedFrame): 2
    case .resolved(.copy): 3
    case .resolved(.takeover): 4
    // Nothing is paged.
    case .denied, .resolved(.paged), .busy, .failed: 5
    case .needs: 6
    case .outOfFrames: 7
    }
  }

  /// Whether a frame or a page table may have to be allocated.
  fileprivate var takesMemory: Bool {
    switch self {
    case .resolved(.zeros), .resolved(.zeroedFrame), .resolved(.copy): true
    default: false
    }
  }
}
