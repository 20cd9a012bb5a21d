internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A long random use of address spaces and their cursors, compared with a model after every step.
///
/// Each step follows from one word alone, whatever was done before, so that a run on which
/// something differed can be made shorter by leaving steps out. It stops at the first difference.
package struct RandomSpaceOperations: ~Copyable {
  /// How many spaces there can be, and the place of the model that is not theirs.
  static var spaceCount: Int { 3 }
  static var kernelPlace: Int { 3 }

  let options: RandomSpaceOptions
  var outcome = RandomSpaceOutcome()
  var generator = SplitMix(seed: 0)
  var accounting: FrameAccounting
  var blocks = BlockAccounting()
  var spaces = InlineArray<3, HeldSpace?> { _ in nil }
  var isThere = [3 of Bool](repeating: false)
  var models: InlineArray<4, SpaceModel>
  /// The place of the space that the processor runs on; nil if it runs on the kernel's tables
  /// alone, or on the empty root of a space that was dropped.
  var active: Int?
  /// Whether an allocation was made to fail.
  var isFailureArmed = false
  /// What the last step did.
  var notes = [12 of LoggedSpaceOperation?](repeating: nil)
  var noteCount = 0
  let usedBefore: UInt64
  let tablesBefore: UInt64

  /// The caller gives memory for the tables, `tableByteCount` bytes, for as long as this lives.
  @unsafe private init(_ options: RandomSpaceOptions, tablesAt memory: UnsafeMutableRawPointer) {
    self.options = options
    let byteCount = ModelArray<ModelPage>.byteCount(SpaceModel.mostCells)
    models = InlineArray {
      let pages = unsafe ModelArray(
        at: memory + $0 * byteCount, count: SpaceModel.mostCells, repeating: ModelPage())
      return SpaceModel($0 == Self.kernelPlace ? .kernel : .user, pages)
    }
    accounting = FrameAccounting(
      unsafe ModelArray(
        at: memory + 4 * byteCount, count: FrameAccounting.size, repeating: FrameAccounting.Entry())
    )
    VmSpace.deactivate()
    NodePool.drain()
    usedBefore = FrameAllocator.statistics.usedFrameCount
    tablesBefore = FrameTable.census.count(of: .pageTable)
  }
}

extension RandomSpaceOperations {
  /// Runs as `options` say. The kernel's space has been started, and its area is empty.
  ///
  /// Frees all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: RandomSpaceOptions) -> RandomSpaceOutcome {
    make(options) { run in
      var seeds = SplitMix(seed: options.seed)
      while run.outcome.problem == nil && run.outcome.operationCount < options.operationCount {
        run.takeEpisode(seeds.next())
      }
    }
  }

  /// Takes the steps that `words` stand for, and tells `note` what they do.
  @export(interface)
  package static func replay(
    _ words: Span<UInt64>, _ options: RandomSpaceOptions,
    note: (_ step: Int, LoggedSpaceOperation) -> Void = { _, _ in }
  ) -> RandomSpaceOutcome {
    make(options) { run in
      for index in words.indices {
        run.step(words[index])
        for number in 0..<min(run.noteCount, run.notes.count) {
          if let found = run.notes[number] { note(index, found) }
        }
        if run.outcome.problem != nil { return }
      }
      run.finishEpisode()
    }
  }

  /// Creates a run for `body`, and frees what it has left.
  ///
  /// The run is in memory of its own, because it is too large for the stack of a kernel.
  private static func make(
    _ options: RandomSpaceOptions, _ body: (inout RandomSpaceOperations) -> Void
  ) -> RandomSpaceOutcome {
    let runByteCount = (MemoryLayout<RandomSpaceOperations>.size | 63) + 1
    let frameCount = (runByteCount + tableByteCount) / 4096 + 1
    do throws(TesseraError) {
      let memory = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      // SAFETY: the memory is large enough, aligned to 4096, and unused otherwise until it is
      // freed.
      let bytes = unsafe PhysicalMemory.pointer(to: memory.address)
      let place = unsafe bytes.bindMemory(to: RandomSpaceOperations.self, capacity: 1)
      unsafe place.initialize(to: RandomSpaceOperations(options, tablesAt: bytes + runByteCount))
      // SAFETY: as above.
      let outcome = unsafe perform(in: &place.pointee, body)
      // SAFETY: as above.
      unsafe place.deinitialize(count: 1)
      _ = consume memory
      return outcome
    } catch {
      var outcome = RandomSpaceOutcome()
      outcome.problem = "there is memory for a run"
      return outcome
    }
  }

  /// How many bytes the tables of a run take.
  private static var tableByteCount: Int {
    4 * ModelArray<ModelPage>.byteCount(SpaceModel.mostCells)
      + ModelArray<FrameAccounting.Entry>.byteCount(FrameAccounting.size)
  }

  private static func perform(
    in run: inout RandomSpaceOperations, _ body: (inout RandomSpaceOperations) -> Void
  ) -> RandomSpaceOutcome {
    body(&run)
    run.releaseEverything()
    return run.outcome
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

// What the models say. These are mutating because swiftc 6.3.1 copies the whole run for a call
// that is not.
extension RandomSpaceOperations {
  @inline(never)
  mutating func world(_ number: Int) -> SpaceModelLayout { models[number].world }

  @inline(never)
  mutating func modelPage(_ index: Int, of number: Int) -> ModelPage { models[number][index] }

  @inline(never)
  mutating func firstMapped(in number: Int, _ cells: Range<Int>) -> Int? {
    for index in cells where modelPage(index, of: number).isMapped { return index }
    return nil
  }

  @inline(never)
  mutating func firstPresent(in number: Int, _ cells: Range<Int>) -> Int? {
    for index in cells where modelPage(index, of: number).kind != .absent { return index }
    return nil
  }

  @inline(never)
  mutating func mappedByteCount(in number: Int, _ cells: Range<Int>) -> UInt64 {
    let world = world(number)
    var count: UInt64 = 0
    for index in cells where modelPage(index, of: number).isMapped {
      count += world.byteCount(index..<index + 1)
    }
    return count
  }
}

extension RandomSpaceOperations {
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
      notes[noteCount] = LoggedSpaceOperation(
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
    isFailureArmed = false
    if let injectedFault = options.injectedFault, outcome.faultStep == nil, outcome.stepCount > 200
    {
      perform(injectedFault)
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
    case .tryInvalidRange: tryInvalidRange()
    case .mapLargeFrame: useBlock()
    default: copy()
    }
  }
}

extension RandomSpaceOperations {
  /// Frees everything, and checks that nothing has leaked.
  private mutating func finishEpisode() {
    guard outcome.problem == nil else { return }
    checkEverything()
    guard outcome.problem == nil else { return }
    releaseEverything()
    let statistics = FrameAllocator.statistics
    expect(statistics.usedFrameCount == usedBefore, "all frames are freed")
    expect(
      FrameTable.census.count(of: .pageTable) == tablesBefore, "all page tables are freed")
  }

  /// Checks every page of every space, all frames and all tables.
  private mutating func checkEverything() {
    for number in 0..<Self.spaceCount where isThere[number] {
      check(number, 0..<world(number).cellCount)
    }
    check(Self.kernelPlace, 0..<world(Self.kernelPlace).cellCount)
    let tables = FrameTable.census.count(of: .pageTable) - tablesBefore
    let used = FrameAllocator.statistics.usedFrameCount - usedBefore
    expect(
      used == tables + accounting.usedCount + checkBlocks(),
      "every frame that is out is mapped, held or a table")
    var problem: StaticString?
    FrameTable.checkInvariants { message, _ in problem = message }
    FrameAllocator.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
    if let machine = options.machine {
      expect(machine.isCoherent(), "no processor can have cached what is not so any more")
    }
  }

  private mutating func releaseEverything() {
    options.machine?.failAllocation(0)
    VmSpace.deactivate()
    active = nil
    for number in 0..<Self.spaceCount where isThere[number] {
      forget(number)
      isThere[number] = false
      spaces[number] = nil
    }
    clearKernel()
    for place in 0..<FrameAccounting.size where accounting.entry(place).hasHandle {
      accounting.dropHandle(place)
    }
    for place in 0..<BlockAccounting.size {
      blocks.dropHandle(place)
      blocks.remove(place)
    }
    NodePool.drain()
    FrameAllocator.drainCache()
  }
}
