internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Detects whether the processor still uses a translation that Tessera has just changed.
///
/// In each round a page is used, so that its translation is cached, then changed through a cursor,
/// and accessed at once, before other pages evict the translation. The access is stale if it still
/// goes by the old translation.
struct StaleDetector: ~Copyable {
  /// The number of rounds for each kind of change, each at a different address.
  static var roundCount: UInt64 { 200 }

  /// The content of the pages before the change: return instructions, so that they can be executed.
  static var oldWord: UInt64 { 0xc3c3_c3c3_c3c3_c3c3 }
  static var newWord: UInt64 { 0xc3c3_c3c3_c3c3_c3b0 }

  let space: VmSpace
  let child: VmSpace
  let old: Frame<PlainMemory>
  let new: Frame<PlainMemory>
  /// 2 MiB that the large page maps.
  let block: Segment<PlainMemory>
  /// The number of rounds that failed otherwise: a page was missing, or held neither the old nor
  /// the new word.
  private(set) var failedRoundCount: UInt64 = 0

  /// Creates two spaces and allocates their memory. Throws `outOfFrames`.
  init() throws(FrameError) {
    let space = try VmSpace()
    let child = try VmSpace()
    let old = try Frame(allocating: PlainMemory())
    let new = try Frame(allocating: PlainMemory())
    let block = try Segment(
      allocating: Int(PageSize.twoMiB.frameCount),
      FrameRequest(isZeroed: false, alignment: PageSize.twoMiB.byteCount)
    ) { _ in PlainMemory() }
    old.fill(with: Self.oldWord)
    new.fill(with: Self.newWord)
    block.fill(with: Self.oldWord)
    self.space = space
    self.child = child
    self.old = old
    self.new = new
    self.block = block
  }

  /// Makes `change` `roundCount` times, with or without Tessera's TLB flushes. Returns the number
  /// of stale accesses.
  mutating func staleCount(of change: Change, invalidating: Bool) throws(DemoError) -> UInt64 {
    var staleCount: UInt64 = 0
    space.activate()
    for round in 0..<Self.roundCount {
      let place = place(of: change, round)
      try prepare(change, place)
      if change.usesPageBefore && !access(change, place) {
        // A newly granted right may take effect only after a fault.
        if !access(change, place) { failedRoundCount += 1 }
      }

      // SAFETY: one processor runs; stale pages are only read, or written with the same word.
      unsafe FlushSwitch.turn(off: !invalidating)
      try carryOut(change, place)
      let isStale = isStale(change, place)
      // SAFETY: everything is invalidated before the pages are used again.
      unsafe FlushSwitch.turn(off: false)
      if !invalidating { Processor.invalidateAll(alsoGlobal: true) }

      if isStale { staleCount += 1 }
      if self.isStale(change, place) || !hasEffect(change, place) { failedRoundCount += 1 }
      try restore(change, place)
    }
    VmSpace.deactivate()
    return staleCount
  }

  /// Accesses the page. Returns whether the access went by the mapping before the change.
  private func access(_ change: Change, _ place: UInt64) -> Bool {
    switch change.access {
    case .read:
      return UserAccess.read(place) == Self.oldWord
    case .write:
      // SAFETY: the memory is the detector's, and holds this word already.
      return unsafe UserAccess.write(Self.oldWord, to: place)
    case .execute:
      // SAFETY: every byte of the memory is a return instruction.
      return unsafe MemoryProbe.execute(place)
    }
  }

  /// Accesses the page after the change. Returns whether the processor used a stale translation.
  private func isStale(_ change: Change, _ place: UInt64) -> Bool {
    let isAsBefore = access(change, place)
    let property = space.translate(VirtualAddress(place))?.property
    switch change {
    // The access must have set the bit again.
    case .clearAccessed: return property?.isAccessed == false
    case .clearDirty: return property?.isDirty == false
    default: return isAsBefore
    }
  }

  /// Whether the change has had its effect on the page at `place`.
  private func hasEffect(_ change: Change, _ place: UInt64) -> Bool {
    let content = UserAccess.read(place)
    switch change {
    case .replace: return content == Self.newWord
    case .removeWriting, .forbidExecution, .clearAccessed, .clearDirty, .shareForFork,
      .splitToProtect, .protectKernelPage:
      return content == Self.oldWord
    default: return content == nil
    }
  }
}
