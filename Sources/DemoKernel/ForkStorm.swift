internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Work of all processors on one address space, which each of them copies again and again, as a
/// fork does.
///
/// Each page of the parent has a word of its own, with which its frame begins, and a processor that
/// maps, unmaps and protects it: so that one knows what it may find there. All processors read all
/// pages, and write a second word of each, the note, wherever that does not fault. While a page is
/// write-protected, or shared with a child, its note must not change. In a child a page is replaced
/// by one with another word, which the parent must never have.
struct ForkStorm: ~Copyable {
  private static let start: UInt64 = 0x1000_0000
  /// The number of pages for each processor.
  private static let share: UInt64 = 6
  private static let noteOffset: UInt64 = 8

  let parent: VmSpace
  private let roundCount: UInt64
  /// Whether no frame is freed while a processor may have a translation to it.
  private let keepsFrames: Bool
  /// Selects the random numbers of all processors.
  private let seed: UInt64
  private let pageCount: UInt64

  let changed = StormCount()
  let forked = StormCount()
  let found = StormCount()
  let foreign = StormCount()
  let faulted = StormCount()
  let noted = StormCount()
  private let used = StormCount()
  private let meeting = StormMeeting()
  /// Pages that were written while they were write-protected or shared.
  let overwritten = StormCount()
  let failed = StormCount()

  /// A storm in which each processor forks and changes pages `roundCount` times. Throws
  /// `outOfFrames`.
  init(roundCount: UInt64, keepsFrames: Bool = false, seed: UInt64 = 0) throws(TesseraError) {
    let parent = try VmSpace()
    let pageCount = UInt64(Processors.count) * Self.share
    // A neighbor, so that the table stays.
    try Self.map(Self.start + 511 * 4096, in: parent)
    for index in 0..<pageCount { try Self.map(Self.start + index << 12, in: parent) }
    self.parent = parent
    self.pageCount = pageCount
    self.roundCount = roundCount
    self.keepsFrames = keepsFrames
    self.seed = seed
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose counts are atomic, as a space is.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: ForkStorm.self).pointee.takePart()
    }
  }

  /// Checks what must hold after the storm.
  func check(with checks: inout Checks) {
    checks.check(foreign.total == 0, "no read finds what a parent or child has written")
    checks.check(overwritten.total == 0, "no write-protected or shared page is written")
    checks.check(failed.total == 0, "no fork and no change fails")
    let broken = StormBalance.brokenInvariantCount(of: parent)
    checks.check(broken == 0, "all invariants of the parent hold after the storm")
  }

  /// Does the calling processor's part, and leaves the space.
  private func takePart() {
    parent.activate()
    var random = RandomNumbers(seed: seed << 8 | UInt64(Processor.current))
    var notes = [6 of UInt64](repeating: 0)
    for round in 0..<roundCount {
      do throws(TesseraError) {
        if random.next(below: 5) == 0 {
          try fork(&random)
        } else {
          try changeOwnPage(&random, &notes)
        }
      } catch {
        failed.add()
      }
      parent.activate()
      for _ in 0..<8 { use(Self.start + random.next(below: pageCount) << 12) }
      if round % 8 == 0 { meeting.wait(round / 8) }
      // QEMU's turn goes to the next processor here, between the changes of one.
      Processor.pause()
    }
    VmSpace.deactivate()
  }

  /// Reads `page` of the parent, and writes its note if that is permitted.
  private func use(_ page: UInt64) {
    read(page)
    if writeNote(of: page) { noted.add() }
    used.add()
  }

  /// Reads `page` of the parent or of a copy, and compares. Returns whether it is mapped.
  @discardableResult
  private func read(_ page: UInt64) -> Bool {
    guard let content = UserAccess.read(page) else {
      faulted.add()
      return false
    }
    if content == Self.word(of: page) { found.add() } else { foreign.add() }
    return true
  }

  /// Writes another note into `page`. Returns false if that faults.
  private func writeNote(of page: UInt64) -> Bool {
    // SAFETY: the word belongs to the storm, and nothing depends on what it holds.
    unsafe UserAccess.write(Processor.timestamp, to: page + Self.noteOffset)
  }

  private func note(of page: UInt64) -> UInt64? { UserAccess.read(page + Self.noteOffset) }

  private static func word(of page: UInt64) -> UInt64 { 0xf07c_0000_0000_0000 | page }

  private static func map(_ page: UInt64, in space: borrowing VmSpace) throws(TesseraError) {
    try space.mapFrame(filledWith: word(of: page), at: page)
  }
}

// The changes of a page of the parent, by the processor that it belongs to.
extension ForkStorm {
  /// Changes one of the processor's pages. `notes` has the note of each that is read-only since it
  /// was changed last, and otherwise zero.
  private func changeOwnPage(
    _ random: inout RandomNumbers, _ notes: inout [6 of UInt64]
  ) throws(TesseraError) {
    let index = Int(random.next(below: Self.share))
    let page = Self.start + UInt64(index * Processors.count + Processors.currentRank) << 12
    changed.add()
    if notes[index] != 0 && note(of: page) != notes[index] { overwritten.add() }
    notes[index] = 0
    guard let property = parent.translate(VirtualAddress(page))?.property else {
      try Self.map(page, in: parent)
      if !read(page) { foreign.add() }
      return
    }
    if random.next(below: 4) == 0 && !keepsFrames {
      try unmap(page)
    } else if property.access == .readWrite {
      try protect(page)
      notes[index] = note(of: page) ?? 0
    } else {
      try makeWritable(page)
    }
  }

  private func unmap(_ page: UInt64) throws(TesseraError) {
    try parent.withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.unmap(4096)
    }
    if UserAccess.read(page) != nil { foreign.add() }
  }

  /// Makes `page` read-only, and checks for a while that no processor writes it.
  private func protect(_ page: UInt64) throws(TesseraError) {
    try parent.withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.protect(4096, to: .read)
    }
    checkIsNotWritten(page)
  }

  /// Makes `page` writable. If a child shares its frame, it gets a copy.
  private func makeWritable(_ page: UInt64) throws(TesseraError) {
    try parent.withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.protect(4096, to: .readWrite)
    }
    let property = parent.translate(VirtualAddress(page))?.property
    guard property?.isCopyOnWrite == true && !keepsFrames else { return }
    checkIsNotWritten(page)
    try replace(page, in: parent, by: Self.word(of: page))
  }

  private func replace(
    _ page: UInt64, in space: borrowing VmSpace, by word: UInt64
  ) throws(TesseraError) {
    let copy = try Frame(allocating: PlainMemory())
    copy.fill(with: word)
    var frame: Frame<PlainMemory>? = consume copy
    try space.withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.replace(with: &frame, as: .userReadWrite)
    }
  }

  /// Checks that this processor cannot write `page`, and that no other does for a while.
  private func checkIsNotWritten(_ page: UInt64) {
    let before = note(of: page)
    if writeNote(of: page) { overwritten.add() }
    used.waitForOthers(toAdd: 16)
    if note(of: page) != before { overwritten.add() }
  }
}

// The children.
extension ForkStorm {
  /// Copies some pages to a new space, and leaves that active when it is destroyed.
  private func fork(_ random: inout RandomNumbers) throws(TesseraError) {
    let count = 1 + random.next(below: 4)
    let first = random.next(below: pageCount - count + 1)
    let child = try VmSpace()
    try fork(Pages(at: Self.start + first << 12, count), to: child)
    forked.add()
  }

  private func fork(_ pages: Pages, to child: borrowing VmSpace) throws(TesseraError) {
    try parent.withCursor(over: pages.range) { source throws(TesseraError) in
      try child.withCursor(over: pages.range) { cursor throws(TesseraError) in
        try cursor.copy(from: &source, pages.byteCount)
      }
    }
    child.activate()
    var last: UInt64?
    for index in 0..<pages.byteCount / 4096 {
      let page = pages.start + index << 12
      guard read(page) else { continue }
      checkIsNotWritten(page)
      last = page
    }
    if let last { try separate(last, of: child) }
  }

  /// Gives `page` of `child`, which is active, a word of its own, and checks both spaces.
  private func separate(_ page: UInt64, of child: borrowing VmSpace) throws(TesseraError) {
    let word = ~Self.word(of: page) ^ Processor.timestamp << 48
    try replace(page, in: child, by: word)
    // SAFETY: the page is the child's.
    let isWritten = unsafe UserAccess.write(word, to: page + Self.noteOffset)
    parent.activate()
    read(page)
    child.activate()
    let isKept = UserAccess.read(page) == word && note(of: page) == word
    if isWritten && isKept { found.add() } else { foreign.add() }
  }
}
