internal import TesseraFrames
package import TesseraHardware

/// A long random use of all that frames can do, compared with a model after every step.
///
/// It stops at the first difference. What it does follows from its seed alone, so that a
/// difference can be reproduced.
package struct RandomFrameOperations: ~Copyable {
  var generator: SplitMix
  var model: FrameModel
  var handles = InlineArray<64, HandlePlace> { _ in HandlePlace() }
  var outcome = RandomFrameOutcome()
  let options: RandomFrameOptions

  /// Whether the next allocation must fail.
  var isFailureArmed = false
  /// Whether the operation of this step did something.
  var isEffective = false
  /// What the ledger of drops, and the count of used frames, were at the start.
  let dropCountBefore: UInt64
  let dropChecksumBefore: UInt64
  let usedBefore: UInt64
  private let totalWeight: Int

  private init(_ options: RandomFrameOptions) {
    require(options.frameCount <= FrameModel.mostFrames, "a run has at most 192 frames")
    self.options = options
    generator = SplitMix(seed: options.seed)
    model = FrameModel(first: options.firstFrame, frameCount: options.frameCount)
    dropCountBefore = DropStatistics.callCount
    dropChecksumBefore = DropStatistics.checksum
    usedBefore = FrameAllocator.statistics.usedFrameCount
    var total = 0
    for number in 0..<FrameOperation.count {
      total += FrameOperation(rawValue: number)?.weight ?? 0
    }
    totalWeight = total
  }

  /// Runs as `options` say, on frames that are free or unowned.
  ///
  /// Frees all frames if nothing differed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: RandomFrameOptions) -> RandomFrameOutcome {
    var run = RandomFrameOperations(options)
    run.compare()
    while run.outcome.problem == nil && run.outcome.stepCount < options.stepCount { run.step() }
    run.dropEverything()
    options.machine?.becomeProcessor(0)
    return run.outcome
  }

  /// Runs in a block of `options.frameCount` frames, a power of two, while all other memory is
  /// held, so that memory is often exhausted. Throws `outOfFrames` if there is no such block.
  @export(interface)
  package static func runInBlock(_ options: RandomFrameOptions) throws(TesseraError)
    -> RandomFrameOutcome
  {
    let block = try RawAllocation(options.frameCount)
    var held = MemoryPressure()
    try held.allocateAll()
    var options = options
    options.firstFrame = block.address.frameNumber
    _ = consume block
    return run(options)
  }
}

extension RandomFrameOperations {
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
    if let injectedFault = options.injectedFault, outcome.faultStep == nil, outcome.stepCount > 300
    {
      perform(injectedFault)
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

  /// Lets the machine change under the run.
  private mutating func prepare(_ machine: RandomFrameMachine) {
    if machine.processorCount > 1 && generator.oneIn(7) {
      machine.becomeProcessor(generator.below(machine.processorCount))
    }
    if outcome.faultStep != nil && options.injectedFault == .unannouncedFailure {
      machine.failNextAllocation()
    } else if generator.oneIn(24) {
      isFailureArmed = true
      machine.failNextAllocation()
    }
  }

  /// Phases of growth, shortage and decline alternate, so that all frames are used up
  /// now and then.
  private mutating func chooseOperation() -> FrameOperation {
    switch outcome.stepCount >> 7 & 3 {
    case 1:
      if generator.oneIn(2) { return generator.oneIn(2) ? .allocateRaw : .allocateUnique }
    case 3:
      if generator.oneIn(4) { return .drop }
    default: break
    }
    var choice = generator.below(totalWeight)
    for number in 0..<FrameOperation.count {
      guard let operation = FrameOperation(rawValue: number) else { continue }
      choice -= operation.weight
      if choice < 0 { return operation }
    }
    return .drop
  }
}

extension RandomFrameOperations {
  private mutating func perform(_ operation: FrameOperation) {
    switch operation {
    case .allocateFrame: allocateFrame()
    case .allocateUnique: allocateUnique()
    case .allocateSegment: allocateSegment()
    case .allocateRaw: allocateRaw()
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

extension RandomFrameOperations {
  /// A place for another handle, or nil if all are taken.
  mutating func freePlace() -> Int? {
    for place in 0..<FrameModel.mostEntries where model.entries[place].kind == .none {
      return place
    }
    return nil
  }

  /// Two places for other handles, or nil if there are not that many.
  mutating func freePlaces() -> (Int, Int)? {
    guard let first = freePlace() else { return nil }
    for place in first + 1..<FrameModel.mostEntries where model.entries[place].kind == .none {
      return (first, place)
    }
    return nil
  }

  /// The place of an entry whose kind `isWanted`, chosen at random, or nil if there is none.
  mutating func pick(_ isWanted: (HandleKind) -> Bool) -> Int? {
    let start = generator.below(FrameModel.mostEntries)
    for offset in 0..<FrameModel.mostEntries {
      let place = (start + offset) % FrameModel.mostEntries
      if model.entries[place].kind != .none && isWanted(model.entries[place].kind) { return place }
    }
    return nil
  }

  /// As `pick`, among entries of at least two frames.
  mutating func pickLong(_ isWanted: (HandleKind) -> Bool) -> Int? {
    let start = generator.below(FrameModel.mostEntries)
    for offset in 0..<FrameModel.mostEntries {
      let place = (start + offset) % FrameModel.mostEntries
      let entry = model.entries[place]
      if entry.kind != .none && entry.count > 1 && isWanted(entry.kind) { return place }
    }
    return nil
  }

  /// Takes the handle at `place` out; its entry stays.
  mutating func take(_ place: Int) -> HeldHandle {
    isEffective = true
    guard let handle = handles[place].take() else {
      differ("the run has a handle for each entry")
      return .address
    }
    return handle
  }

  /// Puts a handle to `count` frames from frame `start` on at `place`, with its entry.
  mutating func put(
    _ handle: consuming HeldHandle, _ kind: HandleKind, at place: Int, start: Int, count: Int = 1
  ) {
    isEffective = true
    handles[place].put(handle)
    model.entries[place].kind = kind
    model.entries[place].start = start
    model.entries[place].count = count
  }

  /// Puts back the handle at `place`, whose entry stayed, as another kind.
  mutating func putBack(_ handle: consuming HeldHandle, _ kind: HandleKind, at place: Int) {
    handles[place].put(handle)
    model.entries[place].kind = kind
  }
}
