internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

/// A long random use of pages that go to stores and come back, compared with a model that knows
/// what is in every page of every space and of every memory object.
///
/// What an operation does follows from one word, from what was done before, and from which pages
/// were taken away meanwhile. A walk stops at the first difference.
package struct RandomPagerOperations: ~Copyable {
  /// How many spaces and how many memory objects there can be. The first objects have stores.
  static var spaceCount: Int { 4 }
  static var objectCount: Int { 4 }
  /// How many frames a walk may use at once: fewer than all of its pages, and enough with those of
  /// the swap store.
  static var frameCount: Int { 384 }

  let options: RandomPagerOptions
  var outcome = RandomPagerOutcome()
  var generator = SplitMix(seed: 0)
  let stores: PagerStores
  var spaces = InlineArray<4, HeldSpace?> { _ in nil }
  var isThere = [4 of Bool](repeating: false)
  /// The pages of all spaces, and of all objects.
  let pages: ModelArray<PagerPage>
  let objectPages: ModelArray<PagerWords>
  var handles = InlineArray<4, HeldObject?> { _ in nil }
  var objects = InlineArray<4, PagerObject>(repeating: PagerObject())
  /// The space that the processor runs on; nil if it is none.
  var active: Int?
  /// Whether an allocation was made to fail.
  var isFailureArmed = false
  /// The frames that the walk may use, and the number of the one that it visits next.
  var frames: Range<UInt64> = 0..<0
  var hand: UInt64 = 0
  var usedBefore: UInt64 = 0
  /// How many answers were `failed` in this episode.
  var episodeFailedCount = 0

  /// The caller gives memory for the tables, `tableByteCount` bytes, for as long as this lives.
  @unsafe private init(
    _ options: RandomPagerOptions, tablesAt memory: UnsafeMutableRawPointer
  ) {
    self.options = options
    stores = unsafe PagerStores(at: memory)
    let others = unsafe memory + PagerStores.byteCount
    let count = Self.spaceCount * PagerLayout.pageCount
    pages = unsafe ModelArray(at: others, count: count, repeating: PagerPage())
    objectPages = unsafe ModelArray(
      at: others + ModelArray<PagerPage>.byteCount(count),
      count: Self.objectCount * PagerObject.capacity, repeating: PagerWords())
  }
}

extension RandomPagerOperations {
  /// Walks as `options` say. The kernel's space has been started, and the pager has not.
  ///
  /// Frees all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: RandomPagerOptions) -> RandomPagerOutcome {
    let walkByteCount = (MemoryLayout<RandomPagerOperations>.size | 63) + 1
    let frameCount = (walkByteCount + tableByteCount) / 4096 + 1
    do throws(TesseraError) {
      let memory = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      // SAFETY: the memory is large enough, aligned to 4096, and unused otherwise until it is
      // freed.
      let bytes = unsafe PhysicalMemory.pointer(to: memory.address)
      let place = unsafe bytes.bindMemory(to: RandomPagerOperations.self, capacity: 1)
      unsafe place.initialize(
        to: RandomPagerOperations(options, tablesAt: bytes + walkByteCount))
      // SAFETY: as above.
      let outcome = unsafe walk(&place.pointee)
      // SAFETY: as above.
      unsafe place.deinitialize(count: 1)
      _ = consume memory
      return outcome
    } catch {
      var outcome = RandomPagerOutcome()
      outcome.problem = "there is memory for a walk"
      return outcome
    }
  }

  /// How many bytes the tables of a walk take.
  private static var tableByteCount: Int {
    PagerStores.byteCount + ModelArray<PagerPage>.byteCount(spaceCount * PagerLayout.pageCount)
      + ModelArray<PagerWords>.byteCount(objectCount * PagerObject.capacity)
  }

  private static func walk(_ walk: inout RandomPagerOperations) -> RandomPagerOutcome {
    var seeds = SplitMix(seed: walk.options.seed)
    var pressure = MemoryPressure()
    // Nothing but the walk's frames is left: as much memory on any machine.
    guard walk.takeMemory(&pressure) else { return walk.outcome }
    while walk.outcome.problem == nil
      && walk.outcome.operationCount < walk.options.operationCount
    {
      walk.takeEpisode(seeds.next())
    }
    return walk.outcome
  }

  private mutating func takeMemory(_ pressure: inout MemoryPressure) -> Bool {
    do throws(TesseraError) {
      let own = try RawAllocation(Self.frameCount)
      let first = own.address.rawValue >> 12
      frames = first..<first + UInt64(Self.frameCount)
      hand = first
      try pressure.allocateAll()
      _ = consume own
      return true
    } catch {
      differ("there is memory for a walk")
      return false
    }
  }
}

// An episode.
extension RandomPagerOperations {
  private mutating func takeEpisode(_ seed: UInt64) {
    outcome.episodeCount += 1
    outcome.episodeSeed = seed
    outcome.episodeOperationCount = 0
    var words = SplitMix(seed: seed)
    generator = SplitMix(seed: words.next())
    begin()
    while outcome.problem == nil && outcome.episodeOperationCount < options.episodeLength {
      generator = SplitMix(seed: words.next())
      perform(PagerOperation.chosen(generator.below(400)))
      if options.sabotage != nil && outcome.episodeOperationCount == 500 { spoil() }
      if outcome.episodeOperationCount % options.fullCheckInterval == 0 { checkEverything() }
      noteStoreProblem()
    }
    finish()
  }

  private mutating func begin() {
    tidy()
    usedBefore = FrameAllocator.statistics.usedFrameCount
    episodeFailedCount = 0
    stores.reset(seed: generator.next(), isSlow: options.isSlow)
    do throws(TesseraError) {
      try Pager.start()
      try Pager.startSwap(PagerStores.swap, pageCount: UInt32(PagerStores.swapPageCount))
      Pager.setMarks(low: 0, high: 0)
    } catch { return differ("there is memory for the pager") }
    for number in 0..<Self.objectCount { makeObject(number) }
    makeSpace(0)
  }

  /// Frees everything, and checks that nothing is lost.
  private mutating func finish() {
    if outcome.problem == nil { compareAll() }
    disarm()
    for group in 0..<2 { stores.fail(group, reads: 0, writes: 0) }
    if outcome.problem == nil {
      for number in 0..<Self.objectCount where objects[number].hasStore { synchronize(number) }
    }
    VmSpace.deactivate()
    active = nil
    stores.finish { _ in true }
    for number in 0..<Self.spaceCount where isThere[number] { forgetSpace(number) }
    checkSwap()
    for number in 0..<Self.objectCount { handles[number] = nil }
    stores.finish { _ in true }
    let counts = stores.counts
    outcome.readCount += counts.readCount
    outcome.writeCount += counts.writeCount
    outcome.laterCount += counts.laterCount
    noteStoreProblem()
    expect(Pager.swapUsage.used == 0, "all slots of the swap store are freed")
    expect(Pager.usage().objects.resident == 0, "all pages of objects are freed")
    let statistics = Pager.statistics
    expect(
      statistics.reads == counts.readCount && statistics.writes == counts.writeCount
        && statistics.storeFailures == counts.failedReadCount + counts.failedWriteCount,
      "the pager counts transfers as the stores do")
    Pager.stop()
    tidy()
    expect(FrameAllocator.statistics.usedFrameCount == usedBefore, "all frames are freed")
  }

  /// Has the caches keep nothing but the record of the processor's heap.
  private mutating func tidy() {
    do throws(TesseraError) {
      // SAFETY: nothing is done with the object but to free it.
      let object = try unsafe Heap.allocate(byteCount: 16)
      // SAFETY: it was just allocated.
      unsafe Heap.free(object)
    } catch { differ("there is memory for an object") }
    Heap.trim()
    NodePool.drain()
    FrameAllocator.drainCache()
  }

  private mutating func noteStoreProblem() {
    if let problem = stores.counts.problem { differ(problem) }
  }
}

extension RandomPagerOperations {
  private mutating func perform(_ operation: PagerOperation) {
    var number = generator.below(Self.spaceCount)
    for _ in 0..<Self.spaceCount where !isThere[number] {
      number = (number + 1) % Self.spaceCount
    }
    if !isThere[number] { return makeSpace(number) }
    switch operation {
    case .read: access(number, isWrite: false)
    case .write: access(number, isWrite: true)
    case .makeSpace: makeSomeSpace()
    case .dropSpace: dropSpace(number)
    case .fork: fork(number)
    case .copy: copy(from: number)
    case .move: move(number)
    case .protect: protect(number)
    case .unmap: unmap(number)
    case .replace: replace(number)
    case .setDemandZero: setDemandZero(number)
    case .mapObject: mapObject(number)
    case .copyIn: copyProgram(number, isWrite: true)
    case .copyOut: copyProgram(number, isWrite: false)
    default: performOfObject(operation, generator.below(Self.objectCount))
    }
  }

  private mutating func performOfObject(_ operation: PagerOperation, _ object: Int) {
    switch operation {
    case .makeObject: makeObject(object)
    case .dropObject: dropObject(object)
    case .resize: resize(object)
    case .synchronize: synchronize(object)
    case .readObject: useObject(object, isWrite: false)
    case .writeObject: useObject(object, isWrite: true)
    case .reclaim: reclaim()
    case .reclaimAll: reclaimAll()
    case .keepFree: keepFree()
    case .fail: fail()
    default: finishSome()
    }
  }

  /// Notes that the model and reality differ. The first difference is the one that counts.
  mutating func differ(_ problem: StaticString, _ number: Int = 0, _ address: UInt64 = 0) {
    guard outcome.problem == nil else { return }
    outcome.problem = problem
    outcome.space = number
    outcome.address = address
  }

  /// Notes a difference unless `condition` holds.
  mutating func expect(
    _ condition: Bool, _ problem: StaticString, _ number: Int = 0, _ address: UInt64 = 0
  ) {
    if !condition { differ(problem, number, address) }
  }

  /// Counts an operation, and keeps what it was.
  mutating func note(
    _ operation: PagerOperation, _ number: Int, _ pages: Range<Int> = 0..<0, value: UInt64 = 0
  ) {
    outcome.operationCount += 1
    outcome.episodeOperationCount += 1
    outcome.counts[operation.rawValue] += 1
    outcome.log[outcome.operationCount % outcome.log.count] = LoggedPagerOperation(
      step: outcome.operationCount, operation: operation, space: number,
      firstPage: pages.lowerBound, pageCount: pages.count, value: value)
  }
}
