package import TesseraFrames
internal import TesseraHardware

/// A long random use of all that frames can do, compared with a model after every step.
///
/// It stops at the first difference. What it does follows from its seed alone, so that a difference
/// can be looked at again.
package struct RandomWalk: ~Copyable {
  var generator: SplitMix
  var model: WalkModel
  var handles = InlineArray<64, WalkPlace> { _ in WalkPlace() }
  var outcome = WalkOutcome()
  let options: WalkOptions

  /// Whether the next allocation is to be refused.
  var isFailureArmed = false
  /// Whether the operation of this step did something.
  var isEffective = false
  /// What the ledger of drops, and the count of used frames, were at the start.
  let ledgerCount: UInt64
  let ledgerSum: UInt64
  let usedBefore: UInt64
  private let totalWeight: Int

  private init(_ options: WalkOptions) {
    require(options.frameCount <= WalkModel.mostFrames, "a walk has at most 192 frames")
    self.options = options
    generator = SplitMix(seed: options.seed)
    model = WalkModel(first: options.firstFrame, frameCount: options.frameCount)
    ledgerCount = DropLedger.callCount
    ledgerSum = DropLedger.checksum
    usedBefore = FrameAllocator.statistics.usedFrameCount
    var total = 0
    for number in 0..<WalkOperation.count {
      total += WalkOperation(rawValue: number)?.weight ?? 0
    }
    totalWeight = total
  }

  /// Walks as `options` say, on frames of which all are free or nobody's.
  ///
  /// Gives back all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: WalkOptions) -> WalkOutcome {
    var walk = RandomWalk(options)
    walk.compare()
    while walk.outcome.problem == nil && walk.outcome.stepCount < options.stepCount { walk.step() }
    walk.dropEverything()
    return walk.outcome
  }

  /// Walks in a block of `options.frameCount` frames, a power of two, while all other memory is
  /// held, so that memory is often exhausted. Throws `outOfFrames` if there is no such block.
  @export(interface)
  package static func runInBlock(_ options: WalkOptions) throws(FrameError) -> WalkOutcome {
    let block = try BareRun(options.frameCount)
    var held = HeldMemory()
    try held.takeAll()
    var options = options
    options.firstFrame = block.address.frameNumber
    _ = consume block
    return run(options)
  }
}

extension RandomWalk {
  /// Notes that the model and the frames differ. The first difference is the one that counts.
  mutating func differ(_ problem: StaticString) {
    if outcome.problem == nil { outcome.problem = problem }
  }

  /// Notes a difference unless `condition` holds.
  mutating func expect(_ condition: Bool, _ problem: StaticString) {
    if !condition { differ(problem) }
  }

  private mutating func step() {
    outcome.stepCount += 1
    if let sabotage = options.sabotage, outcome.sabotagedStep == nil, outcome.stepCount > 300 {
      perform(sabotage)
      if outcome.problem != nil { return }
    }
    isFailureArmed = false
    if let machine = options.machine { prepare(machine) }
    isEffective = false
    var attemptCount = 0
    while !isEffective && attemptCount < 24 {
      outcome.operation = chooseOperation()
      perform(outcome.operation)
      attemptCount += 1
    }
    if isEffective { outcome.counts[outcome.operation.rawValue] += 1 }
    options.machine?.failNoAllocation()
    compare()
  }

  /// Lets the machine change under the walk.
  private mutating func prepare(_ machine: WalkMachine) {
    if machine.processorCount > 1 && generator.oneIn(7) {
      machine.becomeProcessor(generator.below(machine.processorCount))
    }
    if outcome.sabotagedStep != nil && options.sabotage == .unannouncedFailure {
      machine.failNextAllocation()
    } else if generator.oneIn(24) {
      isFailureArmed = true
      machine.failNextAllocation()
    }
  }

  /// Times of growth, of hunger and of decline follow each other, so that all frames are used up
  /// now and then.
  private mutating func chooseOperation() -> WalkOperation {
    switch outcome.stepCount >> 7 & 3 {
    case 1:
      if generator.oneIn(2) { return generator.oneIn(2) ? .allocateBare : .allocateUnique }
    case 3:
      if generator.oneIn(4) { return .drop }
    default: break
    }
    var choice = generator.below(totalWeight)
    for number in 0..<WalkOperation.count {
      guard let operation = WalkOperation(rawValue: number) else { continue }
      choice -= operation.weight
      if choice < 0 { return operation }
    }
    return .drop
  }
}

extension RandomWalk {
  private mutating func perform(_ operation: WalkOperation) {
    switch operation {
    case .allocateFrame: allocateFrame()
    case .allocateUnique: allocateUnique()
    case .allocateSegment: allocateSegment()
    case .allocateBare: allocateBare()
    case .allocateNothing: allocateNothing()
    case .drop: drop()
    case .share: share()
    case .shareByAddress: shareByAddress()
    case .claimFrame: claimFrame()
    case .claimUnique: claimUnique()
    case .claimRange: claimRange()
    case .tryBadAddress: tryBadAddress()
    case .convert: convert()
    case .makeUnique: makeUnique()
    case .makeShared: makeShared()
    case .repurpose: repurpose()
    case .changeMetadata: changeMetadata()
    case .relinquish: relinquish()
    case .adopt: adopt()
    case .addCount: addCount()
    case .borrow: borrow()
    case .write: write()
    case .split: split()
    case .slice: slice()
    case .takeNext: takeNext()
    case .makeSegment: makeSegment()
    case .makeList: makeList()
    case .push: push()
    case .pop: pop()
    case .insert: insert()
    case .takeAtCursor: takeAtCursor()
    case .walkList: walkList()
    case .changeInList: changeInList()
    case .freePart: freePart()
    case .drainCache: drainCache()
    case .reallocate: reallocate()
    }
  }
}

extension RandomWalk {
  /// A place for another handle, or nil if all are taken.
  func freePlace() -> Int? {
    for place in 0..<WalkModel.mostEntries where model.entries[place].kind == .none {
      return place
    }
    return nil
  }

  /// Two places for other handles, or nil if there are not that many.
  func freePlaces() -> (Int, Int)? {
    guard let first = freePlace() else { return nil }
    for place in first + 1..<WalkModel.mostEntries where model.entries[place].kind == .none {
      return (first, place)
    }
    return nil
  }

  /// The place of an entry whose kind `isWanted`, chosen at random, or nil if there is none.
  mutating func pick(_ isWanted: (WalkKind) -> Bool) -> Int? {
    let start = generator.below(WalkModel.mostEntries)
    for offset in 0..<WalkModel.mostEntries {
      let place = (start + offset) % WalkModel.mostEntries
      if model.entries[place].kind != .none && isWanted(model.entries[place].kind) { return place }
    }
    return nil
  }

  /// As `pick`, among entries of at least two frames.
  mutating func pickLong(_ isWanted: (WalkKind) -> Bool) -> Int? {
    let start = generator.below(WalkModel.mostEntries)
    for offset in 0..<WalkModel.mostEntries {
      let place = (start + offset) % WalkModel.mostEntries
      let entry = model.entries[place]
      if entry.kind != .none && entry.count > 1 && isWanted(entry.kind) { return place }
    }
    return nil
  }

  /// Takes the handle at `place` out; its entry stays.
  mutating func take(_ place: Int) -> WalkHandle {
    isEffective = true
    guard let handle = handles[place].take() else {
      differ("the walk has a handle for each entry")
      return .address
    }
    return handle
  }

  /// Puts a handle to `count` frames from frame `start` on at `place`, with its entry.
  mutating func put(
    _ handle: consuming WalkHandle, _ kind: WalkKind, at place: Int, start: Int, count: Int = 1
  ) {
    isEffective = true
    handles[place].put(handle)
    model.entries[place].kind = kind
    model.entries[place].start = start
    model.entries[place].count = count
  }

  /// Puts back the handle at `place`, whose entry stayed, as another kind.
  mutating func putBack(_ handle: consuming WalkHandle, _ kind: WalkKind, at place: Int) {
    handles[place].put(handle)
    model.entries[place].kind = kind
  }
}
