internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A long random use of pages that appear when they are used and are copied when they are written,
/// compared with a model that knows what is in every page of every space.
///
/// What an operation does follows from one word and what was done before. A walk stops at the first
/// difference.
package struct RandomPagingOperations: ~Copyable {
  /// How many spaces there can be.
  static var spaceCount: Int { 5 }
  /// How many references the walk can have to frames.
  static var holdCount: Int { 8 }
  /// How many pages of device memory a machine has, if it has some.
  static var deviceCount: Int { 8 }

  let options: RandomPagingOptions
  var outcome = RandomPagingOutcome()
  var generator = SplitMix(seed: 0)
  var spaces = InlineArray<5, HeldSpace?> { _ in nil }
  var isThere = [5 of Bool](repeating: false)
  let models: InlineArray<5, PagingModel>
  var memories: PagingMemories
  /// The places of frames that the walk has a reference to; negative if there is none.
  var holds = [8 of Int](repeating: -1)
  /// The places of the device memory.
  var devices = [8 of Int](repeating: 0)
  /// The space that the processor runs on; nil if it is none.
  var active: Int?
  /// Whether an allocation was made to fail.
  var isFailureArmed = false
  let usedBefore: UInt64
  let tablesBefore: UInt64

  /// The caller gives memory for the tables, `tableByteCount` bytes, for as long as this lives.
  @unsafe private init(
    _ options: RandomPagingOptions, tablesAt memory: UnsafeMutableRawPointer
  ) {
    self.options = options
    let byteCount = ModelArray<PagingPage>.byteCount(PagingLayout.pageCount)
    models = InlineArray {
      PagingModel(
        unsafe ModelArray(
          at: memory + $0 * byteCount, count: PagingLayout.pageCount, repeating: PagingPage()))
    }
    let others = unsafe memory + Self.spaceCount * byteCount
    let blocks = unsafe others + ModelArray<PagingMemory>.byteCount(PagingMemories.size)
    memories = PagingMemories(
      unsafe ModelArray(at: others, count: PagingMemories.size, repeating: PagingMemory()),
      unsafe ModelArray(
        at: blocks, count: PagingMemories.blockCount, repeating: PagingMemories.Block()))
    VmSpace.deactivate()
    NodePool.drain()
    usedBefore = FrameAllocator.statistics.usedFrameCount
    tablesBefore = FrameTable.census.count(of: .pageTable)
    guard let device = options.machine.deviceMemory else { return }
    for number in 0..<Self.deviceCount {
      let frame = PhysicalAddress(device + UInt64(number) * 4096)
      devices[number] = addMemory(at: frame, filled: 0xd0 + UInt64(number))
    }
  }
}

extension RandomPagingOperations {
  /// Walks as `options` say. The kernel's space has been started.
  ///
  /// Frees all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: RandomPagingOptions) -> RandomPagingOutcome {
    let walkByteCount = (MemoryLayout<RandomPagingOperations>.size | 63) + 1
    let frameCount = (walkByteCount + tableByteCount) / 4096 + 1
    do throws(TesseraError) {
      let memory = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      // SAFETY: the memory is large enough, aligned to 4096, and unused otherwise until it is
      // freed.
      let bytes = unsafe PhysicalMemory.pointer(to: memory.address)
      let place = unsafe bytes.bindMemory(to: RandomPagingOperations.self, capacity: 1)
      unsafe place.initialize(
        to: RandomPagingOperations(options, tablesAt: bytes + walkByteCount))
      // SAFETY: as above.
      let outcome = unsafe walk(&place.pointee)
      // SAFETY: as above.
      unsafe place.deinitialize(count: 1)
      _ = consume memory
      return outcome
    } catch {
      var outcome = RandomPagingOutcome()
      outcome.problem = "there is memory for a walk"
      return outcome
    }
  }

  /// How many bytes the tables of a walk take.
  private static var tableByteCount: Int {
    spaceCount * ModelArray<PagingPage>.byteCount(PagingLayout.pageCount)
      + ModelArray<PagingMemory>.byteCount(PagingMemories.size)
      + ModelArray<PagingMemories.Block>.byteCount(PagingMemories.blockCount)
  }

  private static func walk(_ walk: inout RandomPagingOperations) -> RandomPagingOutcome {
    var seeds = SplitMix(seed: walk.options.seed)
    while walk.outcome.problem == nil
      && walk.outcome.operationCount < walk.options.operationCount
    {
      walk.takeEpisode(seeds.next())
    }
    walk.releaseEverything()
    return walk.outcome
  }

  private mutating func takeEpisode(_ seed: UInt64) {
    outcome.episodeCount += 1
    outcome.episodeSeed = seed
    outcome.episodeOperationCount = 0
    var words = SplitMix(seed: seed)
    while outcome.problem == nil && outcome.episodeOperationCount < options.episodeLength {
      generator = SplitMix(seed: words.next())
      perform(PagingOperation.chosen(generator.below(230)))
      if options.isSpoiled && outcome.episodeOperationCount == 500 { spoil() }
      if outcome.episodeOperationCount % options.fullCheckInterval == 0 { checkEverything() }
    }
    finishEpisode()
  }

  /// Frees everything, and checks that nothing has leaked.
  private mutating func finishEpisode() {
    guard outcome.problem == nil else { return }
    checkEverything()
    guard outcome.problem == nil else { return }
    releaseEverything()
    expect(FrameAllocator.statistics.usedFrameCount == usedBefore, "all frames are freed")
    expect(
      FrameTable.census.count(of: .pageTable) == tablesBefore, "all page tables are freed")
  }

  private mutating func releaseEverything() {
    options.machine.failAllocation?(0)
    VmSpace.deactivate()
    active = nil
    for number in 0..<Self.spaceCount where isThere[number] { forgetSpace(number) }
    for number in 0..<Self.holdCount { dropHold(number) }
    NodePool.drain()
    FrameAllocator.drainCache()
  }
}

extension RandomPagingOperations {
  private mutating func perform(_ operation: PagingOperation) {
    var number = generator.below(Self.spaceCount)
    if generator.below(16) > 0 {
      // Mostly of a space that is there, so that others can be forked.
      for _ in 0..<Self.spaceCount where !isThere[number] {
        number = (number + 1) % Self.spaceCount
      }
    }
    switch operation {
    case .dropHold: return dropHold(generator.below(Self.holdCount))
    case .deactivate: return deactivate()
    default: if !isThere[number] { return makeSpace(number) }
    }
    switch operation {
    case .dropSpace: dropSpace(number)
    case .activate: activate(number)
    case .fork: fork(number)
    case .copy: copy(from: number)
    case .setDemandZero, .setPending, .setStatus: setStatus(operation, number)
    case .mapFrame: mapFrame(number)
    case .mapAgain: mapAgain(number)
    case .mapLargeFrame: mapLargeFrame(number)
    case .mapDevice: mapDevice(number)
    case .unmap: unmap(number)
    case .protect: protect(number)
    case .change: change(number)
    case .read: access(.read, number)
    case .write: access(.write, number)
    case .execute: access(.execute, number)
    case .resolve: resolveAnyhow(number)
    case .copyIn: copyIn(number)
    case .copyOut: copyOut(number)
    case .fill: fill(number)
    case .exchange: exchange(number)
    case .copyBytes: copyBytes(to: number)
    case .makeSpace, .dropHold, .deactivate: break
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
    _ operation: PagingOperation, _ number: Int, _ pages: Range<Int> = 0..<0, value: UInt64 = 0
  ) {
    outcome.operationCount += 1
    outcome.episodeOperationCount += 1
    outcome.counts[operation.rawValue] += 1
    outcome.log[outcome.operationCount % outcome.log.count] = LoggedPagingOperation(
      step: outcome.operationCount, operation: operation, space: number,
      firstPage: pages.lowerBound, pageCount: pages.count, value: value)
  }

  // What the models say. Mutating, because swiftc 6.3.1 copies the whole walk for a call that is
  // not.
  @inline(never)
  mutating func page(_ index: Int, of number: Int) -> PagingPage { models[number][index] }

  @inline(never)
  mutating func set(_ page: PagingPage, at index: Int, of number: Int) {
    models[number][index] = page
  }
}
