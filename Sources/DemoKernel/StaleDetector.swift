internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Looks whether the processor still uses a translation that Tessera has just changed.
///
/// In each round a page is used, so that its translation is cached, then changed through a cursor,
/// and accessed at once, before other pages push the translation out. The access is stale if it
/// still finds what was there before.
struct StaleDetector: ~Copyable {
  /// How often each change is tried, at a different place each time.
  static var roundCount: UInt64 { 200 }

  /// What the pages show before the change: return instructions, so that they can be executed.
  static var oldWord: UInt64 { 0xc3c3_c3c3_c3c3_c3c3 }
  static var newWord: UInt64 { 0xc3c3_c3c3_c3c3_c3b0 }

  let space: VmSpace
  let child: VmSpace
  let old: Frame<PlainMemory>
  let new: Frame<PlainMemory>
  /// 2 MiB in one piece, that the large page shows.
  let block: Segment<PlainMemory>
  /// How many rounds went wrong in another way: a page that should be there was not, or what was
  /// found was neither old nor new.
  private(set) var brokenRounds: UInt64 = 0

  /// Makes two spaces and the memory that they show. Throws `outOfFrames`.
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

  /// Tries `change` as often as told, with or without Tessera's invalidations. Returns how many
  /// accesses were stale.
  mutating func staleCount(of change: Change, invalidating: Bool) throws(Refusal) -> UInt64 {
    var staleCount: UInt64 = 0
    space.activate()
    for round in 0..<Self.roundCount {
      let place = place(of: change, round)
      try prepare(change, place)
      if change.usesPageBefore && !access(change, place) {
        // A right that was given may be noticed only after a fault.
        if !access(change, place) { brokenRounds += 1 }
      }

      // SAFETY: one processor runs; what is stale is only read, or written with what is there.
      unsafe FlushSwitch.turn(off: !invalidating)
      try carryOut(change, place)
      let isStale = isStale(change, place)
      // SAFETY: as above, and everything is invalidated before the pages are used again.
      unsafe FlushSwitch.turn(off: false)
      if !invalidating { Processor.invalidateAll(alsoGlobal: true) }

      if isStale { staleCount += 1 }
      if self.isStale(change, place) || !showsChange(change, place) { brokenRounds += 1 }
      try restore(change, place)
    }
    VmSpace.deactivate()
    return staleCount
  }

  /// Accesses the page as the change asks for. Says whether it found what was there before.
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

  /// Accesses the page after the change. Says whether the processor went by what was before.
  private func isStale(_ change: Change, _ place: UInt64) -> Bool {
    let isAsBefore = access(change, place)
    let property = space.translate(VirtualAddress(place))?.property
    switch change {
    // The access must have set the mark again.
    case .clearAccessed: return property?.isAccessed == false
    case .clearDirty: return property?.isDirty == false
    default: return isAsBefore
    }
  }

  /// Whether the page at `place` is now what the change was to make of it.
  private func showsChange(_ change: Change, _ place: UInt64) -> Bool {
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
