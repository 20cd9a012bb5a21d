internal import DemoPlatform
internal import Synchronization
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Address spaces that each processor makes and destroys, and that others activate meanwhile.
///
/// All spaces have the same pages, with words that differ from space to space. A processor that
/// runs on a space finds the words of that space, or faults once its pages are unmapped. Anything
/// else is a frame that was freed while a translation to it was left.
struct ActivationStorm: ~Copyable {
  private static let start: UInt64 = 0x2000_0000
  private static let pages = Pages(at: start, 4)

  /// A place for each processor, by its rank. Zeros offer nothing.
  private static let places = StaticStorage<Place>()

  private let roundCount: UInt64
  /// Selects the random numbers of all processors.
  private let seed: UInt64

  let destroyed = StormCount()
  /// The spaces that were active on another processor when they were destroyed.
  let destroyedInUse = StormCount()
  let activated = StormCount()
  let found = StormCount()
  let faulted = StormCount()
  let foreign = StormCount()
  let failed = StormCount()
  private let meeting = StormMeeting()

  /// A storm in which each processor makes `roundCount` spaces.
  init(roundCount: UInt64, seed: UInt64 = 0) {
    self.roundCount = roundCount
    self.seed = seed
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose parts are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: ActivationStorm.self).pointee.takePart()
    }
  }

  /// Checks what must hold after the storm.
  func check(with checks: inout Checks) {
    checks.check(foreign.total == 0, "no read finds the content of another space")
    checks.check(failed.total == 0, "no space fails to be made")
  }

  private func takePart() {
    let processor = UInt64(Processors.currentRank)
    var random = RandomNumbers(seed: seed << 8 | processor)
    // The serial number of the space that this processor runs on, or zero.
    var current: UInt64 = 0
    for round in 0..<roundCount {
      do throws(TesseraError) {
        let space = try VmSpace()
        try fill(space, serial: (round << 6 | processor) + 1)
        try use(space, round, &current, &random)
      } catch {
        failed.add()
      }
      // The space has been destroyed, and may be active here or on other processors.
      read(current)
    }
    VmSpace.deactivate()
  }

  /// Fills `space` and offers it to others.
  private func fill(_ space: borrowing VmSpace, serial: UInt64) throws(TesseraError) {
    // A neighbor, so that the table stays.
    try Self.map(Self.pages.start + 511 << 12, serial, in: space)
    for index in 0..<Self.pages.byteCount / 4096 {
      try Self.map(Self.pages.start + index << 12, serial, in: space)
    }
    // SAFETY: there are fewer processors than places, whose words are atomic.
    unsafe Place.offer(space.root, serial, at: Self.places.start[Processors.currentRank])
  }

  /// Runs on the spaces that others offer, and withdraws `space`.
  private func use(
    _ space: borrowing VmSpace, _ round: UInt64, _ current: inout UInt64,
    _ random: inout RandomNumbers
  ) throws(TesseraError) {
    // Now all offer a space, and have destroyed the one of the last round.
    meeting.wait(round)
    read(current)
    for _ in 0..<4 {
      visit(Int(random.next(below: UInt64(Processors.count))), &current)
      read(current)
    }
    // SAFETY: as in `offer`.
    unsafe Place.withdraw(from: Self.places.start[Processors.currentRank])

    // Half of the spaces are destroyed with their pages, and half of them empty.
    if random.next(below: 2) == 0 {
      try space.withCursor(over: Self.pages.range) { cursor throws(TesseraError) in
        try cursor.unmap(Self.pages.byteCount)
      }
    }
    let own = ActiveSpace.isActive(space.root) ? 1 : 0
    if space.activeProcessorCount > own { destroyedInUse.add() }
    destroyed.add()
  }

  /// Activates the space that the processor of that rank offers, if it does.
  private func visit(_ rank: Int, _ current: inout UInt64) {
    // SAFETY: as for its own place.
    let serial = unsafe Place.activate(Self.places.start[rank])
    guard serial != 0 else { return }
    current = serial
    activated.add()
  }

  /// Reads all pages of the space with that serial number, on which this processor runs.
  private func read(_ serial: UInt64) {
    guard serial != 0 else { return Processor.pause() }
    for index in 0..<Self.pages.byteCount / 4096 {
      read(Self.pages.start + index << 12, serial)
      // QEMU's turn goes to the next processor here.
      Processor.pause()
    }
  }

  private func read(_ page: UInt64, _ serial: UInt64) {
    guard let content = UserAccess.read(page) else { return faulted.add() }
    if content == Self.word(of: page, serial) { found.add() } else { foreign.add() }
  }

  private static func word(of page: UInt64, _ serial: UInt64) -> UInt64 { serial << 32 | page }

  private static func map(
    _ page: UInt64, _ serial: UInt64, in space: borrowing VmSpace
  ) throws(TesseraError) {
    try space.mapFrame(filledWith: word(of: page, serial), at: page)
  }
}

/// The space of a processor that others may activate.
///
/// Access: atomic. A processor claims the place while it activates the space, and its owner claims
/// it to withdraw the space: so that none is activated that may be destroyed already.
private struct Place: ~Copyable {
  let isClaimed: Atomic<UInt64>
  /// The address of the root, and the serial number of the space; zero if none is offered.
  let root: Atomic<UInt64>
  let serial: Atomic<UInt64>
}

// Operations on a place. It is passed to functions, because a place that is reached through a
// subscript has no methods in a build that allocates nothing.
extension Place {
  /// Offers the space with the tables under `node`, which has that serial number.
  static func offer(_ node: PageTableNode, _ serial: UInt64, at place: borrowing Place) {
    set(node.address.rawValue, serial, at: place)
  }

  /// Returns once no processor is about to activate the space, and none will.
  static func withdraw(from place: borrowing Place) { set(0, 0, at: place) }

  /// Makes the calling processor run on the space. Returns its serial number; zero if none is
  /// offered, or another processor has claimed it.
  static func activate(_ place: borrowing Place) -> UInt64 {
    guard claim(place) else { return 0 }
    // Ordering: relaxed; ordered by the claim.
    let address = place.root.load(ordering: .relaxed)
    // Ordering: relaxed; as above.
    let serial = place.serial.load(ordering: .relaxed)
    if serial != 0 {
      // SAFETY: the space is not destroyed before it is withdrawn.
      ActiveSpace.activate(unsafe PageTableNode(at: PhysicalAddress(address)))
    }
    release(place)
    return serial
  }

  private static func set(_ root: UInt64, _ serial: UInt64, at place: borrowing Place) {
    // With interrupts on, so that this processor answers others.
    while !claim(place) { Processor.pause() }
    // Ordering: relaxed; ordered by the claim.
    place.root.store(root, ordering: .relaxed)
    // Ordering: relaxed; as above.
    place.serial.store(serial, ordering: .relaxed)
    release(place)
  }

  private static func claim(_ place: borrowing Place) -> Bool {
    // Ordering: acquiring, pairs with the store in `release`.
    place.isClaimed.exchange(1, ordering: .acquiring) == 0
  }

  private static func release(_ place: borrowing Place) {
    // Ordering: releasing, pairs with the exchange in `claim`.
    place.isClaimed.store(0, ordering: .releasing)
  }
}
