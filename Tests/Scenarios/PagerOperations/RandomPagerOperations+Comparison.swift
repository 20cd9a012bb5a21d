internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPager
internal import TesseraSpaces

// Reality against the model.

extension RandomPagerOperations {
  /// Checks the tables of all spaces, the pages that are in memory, all frames, and that no
  /// processor can have cached what is not so any more.
  mutating func checkEverything() {
    for number in 0..<Self.spaceCount where isThere[number] { checkSpace(number) }
    var problem: StaticString?
    FrameTable.checkInvariants { message, _ in problem = message }
    FrameAllocator.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
    expect(
      options.machine.isCoherent(), "no processor can have cached what is not so any more")
    for number in 0..<Self.objectCount { checkUsage(number) }
  }

  private mutating func checkSpace(_ number: Int) {
    guard outcome.problem == nil, let held = spaces[number].take() else { return }
    var problem: StaticString?
    var place = VirtualAddress(0)
    held.space.checkInvariants { message, address, _ in (problem, place) = (message, address) }
    if let problem { differ(problem, number, place.rawValue) }
    for index in 0..<PagerLayout.pageCount {
      let address = PagerLayout.address(index)
      guard let found = held.space.translate(address) else { continue }
      let page = page(index, of: number)
      guard let words = contents(of: page) else {
        differ("nothing is mapped where nothing is", number, address.rawValue)
        continue
      }
      expect(
        PagerWords.words(at: found.address.rawValue) == words,
        "a page contains what was written last", number, address.rawValue)
      expect(
        !found.property.access.allowsWrite || page.access.allowsWrite,
        "a page has no more rights than it was given", number, address.rawValue)
    }
    spaces[number] = consume held
  }

  private mutating func checkUsage(_ number: Int) {
    guard let handle = handles[number].take() else { return }
    let usage = handle.object.usage()
    handles[number] = consume handle
    let count = UInt64(objects[number].pageCount)
    expect(usage.resident + usage.swapped <= count, "an object has no pages behind its end")
    expect(
      usage.swapped == 0 || !objects[number].hasStore, "pages of a file are not in the swap store")
  }

  /// Reads every word of every page as programs do.
  mutating func compareAll() {
    // Nothing fails, so that all is compared.
    for group in 0..<2 { stores.fail(group, reads: 0, writes: 0) }
    checkEverything()
    for number in 0..<Self.spaceCount where isThere[number] {
      for index in 0..<PagerLayout.pageCount {
        for word in 0..<PagerWords.count where outcome.problem == nil {
          access(number, index, word, nil)
        }
      }
    }
    disarm()
    checkEverything()
  }

  /// Expects that no slot of the swap store is in use but those of objects.
  mutating func checkSwap() {
    var expected: UInt64 = 0
    for number in 0..<Self.objectCount {
      guard let handle = handles[number].take() else { continue }
      expected += handle.object.usage().swapped
      handles[number] = consume handle
    }
    expect(
      UInt64(Pager.swapUsage.used) >= expected, "each page of an object in swap has a slot")
  }

  /// Makes the mistake that the walk is to notice.
  mutating func spoil() {
    switch options.sabotage {
    case .changesWord: changeWord()
    case .losesWrite: stores.counts.isLosingWrites = true
    case .leavesRest: leaveRest()
    case nil: break
    }
  }

  /// Changes a word of a page behind the walk's back.
  private mutating func changeWord() {
    for number in 0..<Self.spaceCount where isThere[number] {
      guard let held = spaces[number].take() else { continue }
      var memory: PhysicalAddress?
      for index in 0..<PagerLayout.pageCount {
        let isOwn = page(index, of: number).kind == .anonymous
        if isOwn, let found = held.space.translate(PagerLayout.address(index)) {
          memory = found.address
        }
      }
      spaces[number] = consume held
      guard let memory else { continue }
      // SAFETY: the memory is a page's; that the word changes is the purpose.
      let place = unsafe PhysicalMemory.pointer(to: memory) + PagerWords.offset(1)
      // SAFETY: as above.
      unsafe PhysicalMemory.storeWord(~PhysicalMemory.loadWord(from: place), to: place)
      return compareAll()
    }
  }

  /// Has an object be shorter than it is, as if the rest of its last page had been kept.
  private mutating func leaveRest() {
    for number in 0..<2 {
      for index in 0..<objects[number].pageCount {
        var words = words(index, ofObject: number)
        words.clear(from: 4090)
        set(words, at: index, ofObject: number)
      }
      synchronize(number)
    }
  }
}
