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
///
/// The first processor makes the changes. It also makes the accesses, or another one does: then
/// Tessera has to reach the translations of that one.
struct StaleDetector: ~Copyable {
  /// The content of the pages before the change: return instructions, so that they can be executed.
  static var oldWord: UInt64 { 0xc3c3_c3c3_c3c3_c3c3 }
  static var newWord: UInt64 { 0xc3c3_c3c3_c3c3_c3b0 }

  let space: VmSpace
  let child: VmSpace
  let old: Frame<PlainMemory>
  let new: Frame<PlainMemory>
  /// Who makes the accesses.
  let accessor: Accessor
  /// The number of rounds for each kind of change, each at a different address.
  let roundCount: UInt64
  /// 2 MiB that the large page maps.
  let block: Segment<PlainMemory>
  /// The number of rounds that failed otherwise: a page was missing, or held neither the old nor
  /// the new word.
  private(set) var failedRoundCount: UInt64 = 0

  /// Creates two spaces and allocates their memory. Throws `outOfFrames`.
  init(_ accessor: Accessor, roundCount: UInt64) throws(TesseraError) {
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
    self.accessor = accessor
    self.roundCount = roundCount
    self.space = space
    self.child = child
    self.old = old
    self.new = new
    self.block = block
  }

  /// Makes `change` `roundCount` times, with or without Tessera's TLB flushes. Returns the number
  /// of stale accesses.
  mutating func staleCount(of change: Change, invalidating: Bool) throws(TesseraError) -> UInt64 {
    var staleCount: UInt64 = 0
    accessor.activate(space)
    for round in 0..<roundCount {
      let place = place(of: change, round)
      try prepare(change, place)
      if change.usesPageBefore && !access(change, place) {
        // A newly granted right may take effect only after a fault.
        if !access(change, place) { failedRoundCount += 1 }
      }

      // SAFETY: no other cursor is open; stale pages are only read, or written with the same word.
      unsafe FlushSwitch.turn(off: !invalidating)
      try carryOut(change, place)
      let isStale = isStale(change, place)
      // SAFETY: everything is invalidated before the pages are used again.
      unsafe FlushSwitch.turn(off: false)
      if !invalidating { accessor.invalidateAll() }

      if isStale { staleCount += 1 }
      if self.isStale(change, place) || !hasEffect(change, place) { failedRoundCount += 1 }
      try restore(change, place)
    }
    accessor.deactivate()
    return staleCount
  }

  /// Accesses the page. Returns whether the access went by the mapping before the change.
  private func access(_ change: Change, _ place: UInt64) -> Bool {
    accessor.access(place, by: change.access, word: Self.oldWord)
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
    let content = accessor.read(place)
    switch change {
    case .replace: return content == Self.newWord
    case .removeWriting, .forbidExecution, .clearAccessed, .clearDirty, .shareForFork,
      .splitToProtect, .protectKernelPage:
      return content == Self.oldWord
    default: return content == nil
    }
  }
}
