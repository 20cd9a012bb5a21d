internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// What is done with a cursor over a range.

extension RandomPagingOperations {
  /// Some contiguous pages of one region.
  mutating func choosePages() -> Range<Int> {
    if generator.oneIn(12) { return PagingLayout.block }
    let region = PagingLayout.region(generator.below(4))
    if generator.oneIn(8) { return region }
    // Mostly the same ones, so that much happens to them.
    let choices = generator.oneIn(8) ? region.count : min(region.count, 8)
    let first = region.lowerBound + generator.below(choices)
    let count = generator.oneIn(3) ? 16 : 1 + generator.below(3)
    return first..<min(region.upperBound, first + count)
  }

  /// As `choosePages`, or all pages with what is between them.
  private mutating func chooseRange() -> Range<Int> {
    generator.oneIn(40) ? 0..<PagingLayout.pageCount : choosePages()
  }

  /// Opens a cursor over `pages` for `body`, which should throw `expected` or nothing. Returns what
  /// it returns; nil if it threw.
  private mutating func change(
    _ number: Int, _ pages: Range<Int>, _ expected: TesseraError?,
    _ body: (inout Cursor) throws(TesseraError) -> UInt64
  ) -> UInt64? {
    guard let held = spaces[number].take() else { return nil }
    arm()
    var result: UInt64?
    do throws(TesseraError) {
      result = try held.space.withCursor(over: PagingLayout.addresses(pages), body)
      expect(expected == nil, "an operation throws the right error", number)
    } catch { noteFailure(error, expected) }
    disarm()
    spaces[number] = consume held
    return result
  }

  /// The error of an operation that may not meet a mapped page.
  private mutating func mappingError(_ number: Int, _ pages: Range<Int>) -> TesseraError? {
    firstPage(in: number, pages) { $0.isMapped }
      .map { .alreadyMapped(PagingLayout.address($0)) }
  }

  private mutating func mappedByteCount(_ number: Int, _ pages: Range<Int>) -> UInt64 {
    var count: UInt64 = 0
    for index in pages where page(index, of: number).isMapped { count += 4096 }
    return count
  }

  mutating func chooseProperty(mayShare: Bool = false) -> PageProperty {
    let access: PageAccess =
      switch generator.below(12) {
      case 0: .none
      case 1, 2: .read
      case 3: .readExecute
      default: .readWrite
      }
    return PageProperty(access, isUser: true)
      .with(software: UInt8(generator.below(4)))
      .with(isShared: mayShare && generator.oneIn(5))
  }
}

extension RandomPagingOperations {
  mutating func setStatus(_ operation: PagingOperation, _ number: Int) {
    let pages = choosePages()
    if generator.oneIn(3) { unmap(number, pages) }
    let payload = UInt32(truncatingIfNeeded: generator.next())
    var page = PagingPage()
    page.kind =
      operation == .setDemandZero ? .demandZero : operation == .setPending ? .pending : .status
    page.payload = page.kind == .demandZero ? 0 : payload
    if page.kind != .status { page.property = chooseProperty(mayShare: page.kind == .pending) }
    note(operation, number, pages, value: page.property.bits)
    let (byteCount, kind, property) = (PagingLayout.byteCount(pages), page.kind, page.property)
    let result = change(number, pages, mappingError(number, pages)) {
      cursor throws(TesseraError) in
      switch kind {
      case .demandZero: try cursor.setDemandZero(byteCount, as: property)
      case .pending: try cursor.setPending(byteCount, payload, as: property)
      default: try cursor.setStatus(byteCount, to: payload)
      }
      return 0
    }
    if result != nil { for index in pages { set(page, at: index, of: number) } }
    check(number, pages)
  }

  mutating func unmap(_ number: Int) { unmap(number, chooseRange()) }

  private mutating func unmap(_ number: Int, _ pages: Range<Int>) {
    note(.unmap, number, pages)
    let expected = mappedByteCount(number, pages)
    let result = change(number, pages, nil) { cursor throws(TesseraError) in
      try cursor.unmap(PagingLayout.byteCount(pages))
    }
    if let result {
      expect(result == expected, "unmapping says how much was mapped", number)
      for index in pages { forgetPage(index, of: number) }
    }
    check(number, pages)
  }

  mutating func protect(_ number: Int) {
    let pages = chooseRange()
    let access = chooseProperty().access
    note(.protect, number, pages, value: UInt64(access.rawValue))
    let expected = mappedByteCount(number, pages)
    let result = change(number, pages, nil) { cursor throws(TesseraError) in
      try cursor.protect(PagingLayout.byteCount(pages), to: access)
    }
    if let result {
      expect(result == expected, "protecting says how much is mapped", number)
      for index in pages {
        noteRights(of: index, number, mayGiveWriting: access.allowsWrite) { _ in access }
      }
    }
    check(number, pages)
  }

  /// Notes that the page gets the rights that `access` makes of its property, as far as forks allow
  /// it.
  private mutating func noteRights(
    of index: Int, _ number: Int, mayGiveWriting: Bool, _ access: (PageProperty) -> PageAccess
  ) {
    var page = page(index, of: number)
    guard page.hasProperty else { return }
    let rights = access(page.property)
    if mayGiveWriting && page.isForked && page.kind == .frame
      && memories.hasOneOwner(page.memory)
    {
      page.isForked = false
    }
    page.setRights(rights)
    set(page, at: index, of: number)
  }

  mutating func change(_ number: Int) {
    let pages = chooseRange()
    let (cleared, software) = (UInt8(generator.below(4)), UInt8(generator.below(4)))
    let (removed, added): (PageChange.Rights, PageChange.Rights) =
      switch generator.below(5) {
      case 0: (.write, .none)
      case 1: (.execute, .read.union(.write))
      case 2: (.read, .none)
      default: (.none, .none)
      }
    note(.change, number, pages, value: UInt64(removed.rawValue) << 8 | UInt64(added.rawValue))
    let change = PageChange(
      removing: removed, adding: added, clearingSoftware: cleared, settingSoftware: software)
    let result = self.change(number, pages, nil) { cursor throws(TesseraError) in
      try cursor.change(PagingLayout.byteCount(pages), by: change)
    }
    if let result {
      var expected: UInt64 = 0
      for index in pages {
        let before = page(index, of: number)
        noteChange(of: index, number, removed, added, cleared, software)
        if before.isMapped && page(index, of: number).property != before.property {
          expected += 4096
        }
      }
      expect(result == expected, "a change says how much was changed", number)
    }
    check(number, pages)
  }

  private mutating func noteChange(
    of index: Int, _ number: Int, _ removed: PageChange.Rights, _ added: PageChange.Rights,
    _ cleared: UInt8, _ software: UInt8
  ) {
    if removed != .none || added != .none {
      noteRights(of: index, number, mayGiveWriting: added.contains(.write)) { old in
        let isWritable = old.access.allowsWrite || old.isCopyOnWrite && old.access.allowsRead
        func has(_ right: PageChange.Rights, _ had: Bool) -> Bool {
          added.contains(right) || had && !removed.contains(right)
        }
        guard has(.read, old.access.allowsRead) else { return .none }
        if has(.write, isWritable) { return .readWrite }
        return has(.execute, old.access.allowsExecute) ? .readExecute : .read
      }
    }
    var page = page(index, of: number)
    guard page.hasProperty else { return }
    page.property.software = page.property.software & ~cleared | software
    set(page, at: index, of: number)
  }
}

extension RandomPagingOperations {
  /// Notes new memory at `address`, all of whose words are `word`. Returns its place.
  mutating func noteMemory(
    at address: UInt64, filled word: UInt64, block: Int? = nil
  ) -> Int {
    var memory = PagingMemory(address: address, block: block)
    memory.words = [3 of UInt64](repeating: word)
    memory.middle = 8 + generator.below(509) * 8
    return memories.add(memory)
  }

  /// Fills the 4 KiB at `address`, which nothing else uses, with `word`, and notes them. Returns
  /// their place.
  mutating func addMemory(at address: PhysicalAddress, filled word: UInt64) -> Int {
    // SAFETY: the walk owns the frame.
    unsafe PhysicalMemory.fill(from: address, with: word, byteCount: 4096)
    return noteMemory(at: address.rawValue, filled: word)
  }

  mutating func mapFrame(_ number: Int) {
    let index = choosePages().lowerBound
    let pages = index..<index + 1
    guard let new = try? Frame(allocating: PlainMemory(), .uninitialized) else {
      return expect(mayRunOut, "memory that is free can be allocated")
    }
    let memory = addMemory(at: new.address, filled: generator.next())
    let isHeld = generator.oneIn(4)
    if isHeld { hold(memory) }
    note(.mapFrame, number, pages, value: new.address.rawValue)
    map(new, memory, number, index)
  }

  /// Maps a frame that is mapped already once more.
  mutating func mapAgain(_ number: Int) {
    let source = generator.below(Self.spaceCount)
    let other = choosePages().lowerBound
    let index = choosePages().lowerBound
    note(.mapAgain, number, index..<index + 1, value: UInt64(other))
    guard isThere[source] else { return }
    let page = page(other, of: source)
    guard page.kind == .frame, memories[page.memory].block == nil else { return }
    let address = memories[page.memory].address
    FrameTable.slot(number: address >> 12).share()
    memories.share(page.memory)
    // SAFETY: the reference was just acquired.
    map(unsafe Frame(adopting: PhysicalAddress(address)), page.memory, number, index)
  }

  /// Maps `frame`, whose memory is at place `memory` and has a reference for the handle.
  private mutating func map(
    _ frame: consuming Frame<PlainMemory>, _ memory: Int, _ number: Int, _ index: Int
  ) {
    let pages = index..<index + 1
    let property = chooseProperty(mayShare: true)
    var frame: Frame<PlainMemory>? = consume frame
    let expected = mappingError(number, pages)
    let result = change(number, pages, expected) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: property)
      return 0
    }
    if result != nil {
      set(PagingPage(kind: .frame, property: property, memory: memory), at: index, of: number)
    } else {
      frame = nil
      memories.release(memory)
    }
    check(number, pages)
  }

  mutating func mapLargeFrame(_ number: Int) {
    let pages = PagingLayout.block
    if generator.oneIn(2) { unmap(number, pages) }
    let request = FrameRequest(isZeroed: true, size: .twoMiB)
    var frame = try? Frame(allocating: PlainMemory(), request)
    guard let address = frame?.address.rawValue, let block = memories.addBlock(address) else {
      return
    }
    note(.mapLargeFrame, number, pages, value: address)
    let property = chooseProperty(mayShare: true)
    let expected = mappingError(number, pages)
    let result = change(number, pages, expected) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: property)
      return 0
    }
    if result != nil {
      for index in pages {
        var page = PagingPage(kind: .frame, property: property)
        page.memory = noteMemory(
          at: address + UInt64(index - pages.lowerBound) * 4096, filled: 0, block: block)
        set(page, at: index, of: number)
      }
    }
    check(number, pages)
  }

  mutating func mapDevice(_ number: Int) {
    let index = choosePages().lowerBound
    let pages = index..<index + 1
    let memory = devices[generator.below(Self.deviceCount)]
    let property = chooseProperty()
    note(.mapDevice, number, pages, value: memories[memory].address)
    guard options.machine.deviceMemory != nil else { return }
    let address = PhysicalAddress(memories[memory].address)
    let result = change(number, pages, mappingError(number, pages)) {
      cursor throws(TesseraError) in
      // SAFETY: the memory is the walk's, which ends after it has unmapped everything.
      try unsafe cursor.mapDevice(address, byteCount: 4096, as: property)
      return 0
    }
    if result != nil {
      memories.share(memory)
      set(PagingPage(kind: .device, property: property, memory: memory), at: index, of: number)
    }
    check(number, pages)
  }
}
