internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Reality against the model.

extension RandomPagingOperations {
  /// Checks `pages` of space `number`; of many, the first, the last, and some between them.
  mutating func check(_ number: Int, _ pages: Range<Int>) {
    guard outcome.problem == nil, let held = spaces[number].take() else { return }
    let root = held.space.rootAddress.rawValue
    do throws(TesseraError) {
      try held.space.withCursor(overMapped: PagingLayout.addresses(pages)) {
        cursor throws(TesseraError) in
        let isFew = pages.count <= 6
        for offset in 0..<min(pages.count, 6) {
          let index =
            isFew || offset == 0
            ? pages.lowerBound + offset
            : offset == 1 ? pages.upperBound - 1 : pages.lowerBound + generator.below(pages.count)
          try checkPage(&cursor, root, number, index)
        }
      }
    } catch { differ("a range of whole pages can be locked", number) }
    spaces[number] = consume held
  }

  /// Compares what `cursor` finds at page `index`, and what the machine's walk does, with the
  /// model. Returns the number of bytes that its entry spans.
  @discardableResult
  private mutating func checkPage(
    _ cursor: inout Cursor, _ root: UInt64, _ number: Int, _ index: Int
  ) throws(TesseraError) -> UInt64 {
    let page = page(index, of: number)
    let start = PagingLayout.start(index)
    try cursor.jump(to: VirtualAddress(start))
    let run = try cursor.query()
    let isRight =
      switch run.content {
      case .absent: page.kind == .absent
      case .status(let payload): page.kind == .status && page.payload == payload
      case .pending(let payload, let property):
        page.kind == .pending && page.payload == payload && page.property == property
      case .demandZero(let property): page.kind == .demandZero && page.property == property
      case .swapped, .object: false
      case .mapped(let memory, let property, let ownsFrame):
        page.isMapped && page.property == property.withoutHistory
          && ownsFrame == (page.kind == .frame)
          && memory.rawValue &+ (start &- run.start.rawValue) == address(page)
      }
    expect(isRight, "a page is what it should be", number, start)
    guard outcome.problem == nil else { return 0 }
    if page.hasMemory { checkContents(page, number, start) }
    let isPresent = page.isMapped && page.property.access != .none
    expect(
      options.machine.translates(root, start, isPresent ? address(page) : .max),
      "a processor's page-table walk finds what was mapped", number, start)
    return run.entryByteCount
  }

  private mutating func checkContents(_ page: PagingPage, _ number: Int, _ start: UInt64) {
    let memory = memories[page.memory]
    for word in 0..<3 {
      expect(
        Self.word(at: memory.address, memory.offset(word)) == memory.words[word],
        "a page contains what was written last", number, start + UInt64(memory.offset(word)))
    }
  }

  /// Where the memory of a mapped page is.
  private mutating func address(_ page: PagingPage) -> UInt64 {
    page.kind == .zeros ? ZeroFrame.address.rawValue : memories[page.memory].address
  }
}

extension RandomPagingOperations {
  /// Checks every page of every space, all frames and all tables.
  mutating func checkEverything() {
    for block in 0..<PagingMemories.blockCount { memories.blocks[block].leafCount = 0 }
    for number in 0..<Self.spaceCount where isThere[number] { checkSpace(number) }
    checkFrames()
    var problem: StaticString?
    FrameTable.checkInvariants { message, _ in problem = message }
    FrameAllocator.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
    expect(
      options.machine.isCoherent(), "no processor can have cached what is not so any more")
  }

  private mutating func checkSpace(_ number: Int) {
    guard outcome.problem == nil, let held = spaces[number].take() else { return }
    var problem: StaticString?
    var place = VirtualAddress(0)
    held.space.checkInvariants { message, address, _ in (problem, place) = (message, address) }
    if let problem { differ(problem, number, place.rawValue) }
    let root = held.space.rootAddress.rawValue
    do throws(TesseraError) {
      try held.space.withCursor(overMapped: PagingLayout.addresses(0..<PagingLayout.pageCount)) {
        cursor throws(TesseraError) in
        for index in 0..<PagingLayout.pageCount where outcome.problem == nil {
          let byteCount = try checkPage(&cursor, root, number, index)
          countLeaf(number, index, byteCount)
        }
      }
    } catch { differ("a space can be locked", number) }
    spaces[number] = consume held
  }

  /// Counts the leaf of `byteCount` bytes that maps page `index`, if it begins there and maps a
  /// part of a block.
  private mutating func countLeaf(_ number: Int, _ index: Int, _ byteCount: UInt64) {
    let page = page(index, of: number)
    guard page.kind == .frame, let block = memories[page.memory].block else { return }
    if byteCount == 4096 || index == PagingLayout.block.lowerBound {
      memories.blocks[block].leafCount += 1
    }
  }

  /// Checks the counts of all frames, and that there are as many as the model has.
  private mutating func checkFrames() {
    guard outcome.problem == nil else { return }
    let deviceCount = options.machine.deviceMemory == nil ? 0 : UInt64(Self.deviceCount)
    let tables = FrameTable.census.count(of: .pageTable) - tablesBefore
    let used = FrameAllocator.statistics.usedFrameCount - usedBefore
    expect(
      used + deviceCount == tables + memories.frameCount + memories.blockFrameCount,
      "every frame that is out is mapped, held or a table")
    for place in Int(deviceCount)..<PagingMemories.size {
      let memory = memories[place]
      guard memory.ownerCount > 0, memory.block == nil else { continue }
      expect(
        FrameTable.slot(number: memory.address >> 12).count == UInt64(memory.ownerCount),
        "a frame has as many owners as mappings and references", 0, memory.address)
    }
    for number in 0..<PagingMemories.blockCount {
      let block = memories.blocks[number]
      guard block.partCount > 0 else { continue }
      expect(
        FrameTable.slot(number: block.address >> 12).count == block.leafCount,
        "a large frame has as many owners as leaves", 0, block.address)
    }
    expect(isZeroFrameIntact, "the frame of zeros is never written")
  }

  private var isZeroFrameIntact: Bool {
    // SAFETY: the frame is never freed, and only reading it is needed.
    unsafe PhysicalMemory.isFilled(from: ZeroFrame.address, with: 0, byteCount: 4096)
  }

  /// Changes a word of a page behind the walk's back.
  mutating func spoil() {
    for number in 0..<Self.spaceCount where isThere[number] {
      guard let index = firstPage(in: number, 0..<PagingLayout.pageCount, { $0.hasMemory }) else {
        continue
      }
      let memory = memories[page(index, of: number).memory]
      let address = PhysicalAddress(memory.address)
      // SAFETY: the memory is the walk's; that the word changes is the purpose.
      unsafe PhysicalMemory.storeWord(~memory.words[0], to: PhysicalMemory.pointer(to: address))
      return checkEverything()
    }
  }
}
