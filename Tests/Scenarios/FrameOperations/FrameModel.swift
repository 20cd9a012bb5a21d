internal import TesseraFrames
internal import TesseraHardware

/// What the frames of a run should be like, kept by the plainest means: a record for each frame
/// and an entry for each handle. How many owners a frame has is counted anew each time.
struct FrameModel {
  /// How many frames, and how many handles, a run has at most.
  static var mostFrames: Int { 192 }
  static var mostEntries: Int { 64 }
  /// How many frames a list of the run has at most.
  static var mostMembers: Int { 12 }

  /// Whose a frame is.
  enum State: UInt8 {
    /// The allocator's.
    case free
    /// Unowned, and not the allocator's.
    case reserved
    /// Some entry's.
    case held
    /// None of the run's business.
    case foreign
  }

  /// What a frame should be like.
  struct Record {
    var state = State.foreign
    /// Whether the frame goes back to the allocator.
    var isManaged = false
    /// Whether the metadata is a `TracedMemory`, rather than a `Tally`.
    var isMemory = false
    /// What the metadata says.
    var value: UInt64 = 0
    /// The first word of the frame, if it is memory.
    var word: UInt64 = 0
  }

  /// What the run holds in one place.
  struct Entry {
    var kind = HandleKind.none
    /// The first frame, counted from the first of the run.
    var start = 0
    var count = 0
    /// The frames of a list, in their order.
    var members = [12 of UInt8](repeating: 0)

    /// The frame at `index`.
    func frame(_ index: Int) -> Int {
      kind == .list ? Int(members[index]) : start + index
    }
  }

  /// How the entries use a frame.
  struct Use {
    var owners: UInt64 = 0
    var isUnique = false
    var isRaw = false
    var isListed = false
  }

  /// The number of the first frame.
  let first: UInt64
  let frameCount: Int
  var records = [192 of Record](repeating: Record())
  var entries = [64 of Entry](repeating: Entry())
  /// What the ledger of drops should have gained since the start.
  var dropCount: UInt64 = 0
  var dropSum: UInt64 = 0

  /// A model of the `frameCount` frames from frame number `first` on, as they are now.
  init(first: UInt64, frameCount: Int) {
    self.first = first
    self.frameCount = frameCount
    for index in 0..<frameCount {
      let slot = FrameTable.slot(number: first + UInt64(index))
      if slot.count == ReferenceCount.free {
        records[index] = Record(state: .free, isManaged: true)
      } else if slot.count == ReferenceCount.unused && slot.kind == .none {
        records[index] = Record(state: .reserved)
      }
    }
  }

  func address(_ index: Int) -> PhysicalAddress { PhysicalAddress((first + UInt64(index)) << 12) }

  func slot(_ index: Int) -> FrameSlotReference {
    FrameTable.slot(number: first + UInt64(index))
  }

  /// The frame at `address`, or nil if it is none of the run's.
  func index(of address: PhysicalAddress) -> Int? {
    guard address.frameNumber >= first, address.frameNumber < first + UInt64(frameCount) else {
      return nil
    }
    return Int(address.frameNumber - first)
  }
}

extension FrameModel {
  // What only asks is mutating nevertheless: swiftc 6.3.1 copies all records or entries for each
  // element that a function reads which is not.

  /// How the entries use the frame at `index`.
  mutating func use(of index: Int) -> Use {
    var use = Use()
    for place in 0..<Self.mostEntries { add(place, to: &use, of: index) }
    return use
  }

  private mutating func add(_ place: Int, to use: inout Use, of index: Int) {
    let kind = entries[place].kind
    if kind == .none { return }
    if kind == .list {
      for member in 0..<entries[place].count
      where Int(entries[place].members[member]) == index {
        use.owners += 1
        use.isUnique = true
        use.isListed = true
      }
      return
    }
    let start = entries[place].start
    guard start <= index, index < start + entries[place].count else { return }
    use.owners += 1
    if kind.isUnique { use.isUnique = true }
    if kind == .raw { use.isRaw = true }
  }

  /// How many of the allocator's frames are out.
  mutating func countUsed() -> UInt64 {
    var count: UInt64 = 0
    for index in 0..<frameCount where records[index].state == .held && records[index].isManaged {
      count += 1
    }
    return count
  }

  /// Gives frame `index`, which is free or unowned, to an entry.
  mutating func hold(_ index: Int, isMemory: Bool = false, value: UInt64 = 0, word: UInt64 = 0) {
    records[index].state = .held
    records[index].isMemory = isMemory
    records[index].value = value
    records[index].word = word
  }

  /// Takes away what is at `place`; frames that are left without an owner go back.
  mutating func remove(_ place: Int) {
    let entry = entries[place]
    entries[place].kind = .none
    for index in 0..<entry.count {
      drop(of: entry.frame(index), wasRaw: entry.kind == .raw)
    }
  }

  /// Gives frame `index` back if no entry has it any more.
  mutating func drop(of index: Int, wasRaw: Bool) {
    guard use(of: index).owners == 0 else { return }
    if !wasRaw { noteDrop(of: index) }
    records[index].state = records[index].isManaged ? .free : .reserved
  }

  /// Expects that the metadata of frame `index` is told that it is dropped.
  mutating func noteDrop(of index: Int) {
    let record = records[index]
    dropCount += 1
    dropSum &+= DropStatistics.mix(
      record.value, address(index), word: record.isMemory ? record.word : 0)
  }
}

extension FrameModel {
  /// The error that claiming the frame at `index` should throw.
  mutating func claimError(_ index: Int) -> TesseraError? {
    switch records[index].state {
    case .free, .reserved: return nil
    case .foreign: return .inUse
    case .held:
      let use = use(of: index)
      if use.isRaw { return nil }
      return use.isUnique ? .unique : .inUse
    }
  }

  /// The error that sharing the frame at `index` should throw.
  mutating func shareError(_ index: Int) -> TesseraError? {
    switch records[index].state {
    case .free, .reserved: return .unused
    case .foreign: return nil
    case .held:
      let use = use(of: index)
      if use.isRaw { return .unused }
      return use.isUnique ? .unique : nil
    }
  }

  /// Whether the allocator has what `request` asks for: contiguous free frames, wherever they are.
  mutating func canAllocate(_ count: Int, _ request: FrameRequest) -> Bool {
    let limit = request.limit.frameNumber
    let alignment = max(1, request.alignment >> 12)
    var start = 0
    while start + count <= frameCount {
      let number = first + UInt64(start)
      if number % alignment == 0 && number + UInt64(count) <= limit && areFree(start, count) {
        return true
      }
      start += 1
    }
    return false
  }

  private mutating func areFree(_ start: Int, _ count: Int) -> Bool {
    for index in start..<start + count where records[index].state != .free { return false }
    return true
  }
}
