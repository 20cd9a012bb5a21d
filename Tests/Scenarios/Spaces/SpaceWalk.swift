internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A long random use of address spaces and their cursors, compared with a model after every step.
///
/// Each step follows from one word alone, whatever was done before, so that a walk on which
/// something differed can be made shorter by leaving steps out. It stops at the first difference.
package struct SpaceWalk: ~Copyable {
  /// How many spaces there can be, and the places of the models that are not theirs.
  static var spaceCount: Int { 3 }
  static var kernelPlace: Int { 3 }
  /// A space that was dropped while the processor ran on it.
  static var ghostPlace: Int { 4 }

  let options: SpaceWalkOptions
  var outcome = SpaceWalkOutcome()
  var generator = SplitMix(seed: 0)
  var book: FrameBook
  var blocks = BlockBook()
  var spaces = InlineArray<3, HeldSpace?> { _ in nil }
  var isThere = [3 of Bool](repeating: false)
  var models: InlineArray<5, WalkSpaceModel>
  /// The place of the space that the processor runs on; nil if it runs on the kernel's tables
  /// alone.
  var active: Int?
  /// Whether an allocation was made to fail.
  var isArmed = false
  /// What the last step did.
  var notes = [12 of SpaceWalkNote?](repeating: nil)
  var noteCount = 0
  let usedBefore: UInt64
  let tablesBefore: UInt64

  /// The caller gives memory for the tables, `tableByteCount` bytes, for as long as this lives.
  @unsafe private init(_ options: SpaceWalkOptions, tablesAt memory: UnsafeMutableRawPointer) {
    self.options = options
    let byteCount = WalkTable<WalkPage>.byteCount(WalkSpaceModel.mostCells)
    models = InlineArray {
      let pages = unsafe WalkTable(
        at: memory + $0 * byteCount, count: WalkSpaceModel.mostCells, repeating: WalkPage())
      return WalkSpaceModel($0 == Self.kernelPlace ? .kernel : .user, pages)
    }
    book = FrameBook(
      unsafe WalkTable(
        at: memory + 5 * byteCount, count: FrameBook.size, repeating: FrameBook.Entry()))
    VmSpace.deactivate()
    NodePool.drain()
    usedBefore = FrameAllocator.statistics.usedFrameCount
    tablesBefore = FrameTable.census.count(of: .pageTable)
  }
}

extension SpaceWalk {
  /// Walks as `options` say. The kernel's space has been started, and its area is empty.
  ///
  /// Gives back all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: SpaceWalkOptions) -> SpaceWalkOutcome {
    make(options) { walk in
      var seeds = SplitMix(seed: options.seed)
      while walk.outcome.problem == nil && walk.outcome.operationCount < options.operationCount {
        walk.takeEpisode(seeds.next())
      }
    }
  }

  /// Takes the steps that `words` stand for, and tells `note` what they do.
  @export(interface)
  package static func replay(
    _ words: Span<UInt64>, _ options: SpaceWalkOptions,
    note: (_ step: Int, SpaceWalkNote) -> Void = { _, _ in }
  ) -> SpaceWalkOutcome {
    make(options) { walk in
      for index in words.indices {
        walk.step(words[index])
        for number in 0..<min(walk.noteCount, walk.notes.count) {
          if let found = walk.notes[number] { note(index, found) }
        }
        if walk.outcome.problem != nil { return }
      }
      walk.finishEpisode()
    }
  }

  /// Makes a walk for `body`, and gives back all that it has left.
  ///
  /// The walk is in memory of its own, because it is too large for the stack of a kernel.
  private static func make(
    _ options: SpaceWalkOptions, _ body: (inout SpaceWalk) -> Void
  ) -> SpaceWalkOutcome {
    let walkByteCount = (MemoryLayout<SpaceWalk>.size | 63) + 1
    let frameCount = (walkByteCount + tableByteCount) / 4096 + 1
    do throws(FrameError) {
      let memory = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      // SAFETY: the memory is large enough, aligned to 4096, and nobody else's until it goes.
      let bytes = unsafe PhysicalMemory.pointer(to: memory.address)
      let place = unsafe bytes.bindMemory(to: SpaceWalk.self, capacity: 1)
      unsafe place.initialize(to: SpaceWalk(options, tablesAt: bytes + walkByteCount))
      // SAFETY: as above.
      let outcome = unsafe walk(in: &place.pointee, body)
      // SAFETY: as above.
      unsafe place.deinitialize(count: 1)
      _ = consume memory
      return outcome
    } catch {
      var outcome = SpaceWalkOutcome()
      outcome.problem = "there is memory for a walk"
      return outcome
    }
  }

  /// How many bytes the tables of a walk take.
  private static var tableByteCount: Int {
    5 * WalkTable<WalkPage>.byteCount(WalkSpaceModel.mostCells)
      + WalkTable<FrameBook.Entry>.byteCount(FrameBook.size)
  }

  private static func walk(
    in walk: inout SpaceWalk, _ body: (inout SpaceWalk) -> Void
  ) -> SpaceWalkOutcome {
    body(&walk)
    walk.letGoOfEverything()
    return walk.outcome
  }

  @inline(never)
  private mutating func takeEpisode(_ seed: UInt64) {
    outcome.episodeCount += 1
    outcome.episodeSeed = seed
    outcome.episodeStepCount = 0
    var words = SplitMix(seed: seed)
    while outcome.problem == nil && outcome.episodeStepCount < options.episodeLength {
      step(words.next())
    }
    finishEpisode()
  }

  /// The word of each step of the episode with `seed`, in their order.
  package static func forEachWord(
    ofEpisode seed: UInt64, stepCount: Int, _ body: (UInt64) -> Void
  ) {
    var words = SplitMix(seed: seed)
    for _ in 0..<stepCount { body(words.next()) }
  }
}

// What the models say. These are mutating because swiftc 6.3.1 copies the whole walk for a call
// that is not.
extension SpaceWalk {
  @inline(never)
  mutating func world(_ number: Int) -> WalkWorld { models[number].world }

  @inline(never)
  mutating func wanted(_ index: Int, of number: Int) -> WalkPage { models[number][index] }

  @inline(never)
  mutating func firstMapped(in number: Int, _ cells: Range<Int>) -> Int? {
    for index in cells where wanted(index, of: number).isMapped { return index }
    return nil
  }

  @inline(never)
  mutating func firstPresent(in number: Int, _ cells: Range<Int>) -> Int? {
    for index in cells where wanted(index, of: number).kind != .absent { return index }
    return nil
  }

  @inline(never)
  mutating func mappedByteCount(in number: Int, _ cells: Range<Int>) -> UInt64 {
    let world = world(number)
    var count: UInt64 = 0
    for index in cells where wanted(index, of: number).isMapped {
      count += world.byteCount(index..<index + 1)
    }
    return count
  }
}

extension SpaceWalk {
  /// Notes that the model and reality differ. The first difference is the one that counts.
  mutating func differ(_ problem: StaticString, _ address: UInt64 = 0) {
    guard outcome.problem == nil else { return }
    outcome.problem = problem
    outcome.address = address
  }

  /// Notes a difference unless `condition` holds.
  mutating func expect(_ condition: Bool, _ problem: StaticString, _ address: UInt64 = 0) {
    if !condition { differ(problem, address) }
  }

  /// Counts an operation, and keeps what it was.
  mutating func note(
    _ operation: SpaceOperation, _ space: Int, _ cells: Range<Int> = 0..<0, value: UInt64 = 0
  ) {
    outcome.operationCount += 1
    outcome.counts[operation.rawValue] += 1
    if noteCount < notes.count {
      let world = world(space)
      notes[noteCount] = SpaceWalkNote(
        name: operation.name, space: space, start: VirtualAddress(world.start(cells.lowerBound)),
        byteCount: world.byteCount(cells), value: value)
    }
    noteCount += 1
  }

  private mutating func step(_ word: UInt64) {
    generator = SplitMix(seed: word)
    outcome.stepCount += 1
    outcome.episodeStepCount += 1
    noteCount = 0
    isArmed = false
    if let sabotage = options.sabotage, outcome.sabotagedStep == nil, outcome.stepCount > 200 {
      perform(sabotage)
    }
    if let operation = SpaceOperation.step(generator.below(100)) {
      perform(operation)
    } else {
      useCursor()
    }
    if outcome.episodeStepCount % options.fullCheckInterval == 0 { checkEverything() }
  }

  private mutating func perform(_ operation: SpaceOperation) {
    switch operation {
    case .makeSpace: makeSpace(generator.below(Self.spaceCount))
    case .dropSpace: dropSpace()
    case .activate: activate()
    case .deactivate: deactivate()
    case .dropHandle: dropHandle()
    case .drainPool: drainPool()
    case .translate: translate()
    case .refuseRange: refuseRange()
    case .mapLargeFrame: useBlock()
    default: copy()
    }
  }
}

extension SpaceWalk {
  /// Gives everything back, and looks whether that is all there was.
  private mutating func finishEpisode() {
    guard outcome.problem == nil else { return }
    checkEverything()
    guard outcome.problem == nil else { return }
    letGoOfEverything()
    let statistics = FrameAllocator.statistics
    expect(statistics.usedFrameCount == usedBefore, "all frames are given back")
    expect(
      FrameTable.census.count(of: .pageTable) == tablesBefore, "all page tables are given back")
  }

  /// Looks at every page of every space, at all frames and at all tables.
  private mutating func checkEverything() {
    for number in 0..<Self.spaceCount where isThere[number] {
      check(number, 0..<world(number).cellCount)
    }
    check(Self.kernelPlace, 0..<world(Self.kernelPlace).cellCount)
    let tables = FrameTable.census.count(of: .pageTable) - tablesBefore
    let used = FrameAllocator.statistics.usedFrameCount - usedBefore
    expect(
      used == tables + book.usedCount + checkBlocks(),
      "every frame that is out is mapped, held or a table")
    var problem: StaticString?
    FrameTable.checkInvariants { message, _ in problem = message }
    FrameAllocator.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
    if let machine = options.machine {
      expect(machine.isCoherent(), "no processor can have cached what is not so any more")
    }
  }

  private mutating func letGoOfEverything() {
    options.machine?.failAllocation(0)
    VmSpace.deactivate()
    leaveGhost()
    active = nil
    for number in 0..<Self.spaceCount where isThere[number] {
      forget(number)
      isThere[number] = false
      spaces[number] = nil
    }
    clearKernel()
    for place in 0..<FrameBook.size where book.entry(place).hasHandle { book.dropHandle(place) }
    for place in 0..<BlockBook.size {
      blocks.dropHandle(place)
      blocks.remove(place)
    }
    NodePool.drain()
    FrameAllocator.drainCache()
  }
}
