internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Work of all processors on the same pages of one address space at the same time.
///
/// Each page has a word of its own, with which every frame is filled before it is mapped there. So
/// a read of a page finds its word, or faults. Anything else is a frame that was freed, and used
/// for another page, while a translation to it was left.
struct Storm: ~Copyable {
  /// The pages are in two parts: some in one table, which a neighbor keeps, and some in tables of
  /// their own, which come and go.
  private static let denseStart: UInt64 = 0x1000_0000
  private static let denseCount: UInt64 = 24
  private static let sparseStart: UInt64 = 0x4000_0000
  private static let sparseCount: UInt64 = 6

  let space: VmSpace
  private let roundCount: UInt64
  /// Whether tables come and go.
  private let usesSparsePages: Bool
  /// Selects the random numbers of all processors.
  private let seed: UInt64

  let mapped = StormCount()
  let unmapped = StormCount()
  let found = StormCount()
  let foreign = StormCount()
  let failed = StormCount()

  /// A storm in which each processor makes `roundCount` changes. Throws `outOfFrames`.
  init(roundCount: UInt64, usesSparsePages: Bool, seed: UInt64 = 0) throws(TesseraError) {
    let space = try VmSpace()
    let neighbor = Self.denseStart + 511 * 4096
    try space.mapFrame(filledWith: Self.word(of: neighbor), at: neighbor)
    self.space = space
    self.roundCount = roundCount
    self.usesSparsePages = usesSparsePages
    self.seed = seed
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose counts are atomic, as a space is.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: Storm.self).pointee.takePart()
    }
  }

  /// Checks what must hold after the storm.
  func check(with checks: inout Checks) {
    checks.check(foreign.total == 0, "no read finds the content of another page")
    checks.check(failed.total == 0, "no change fails")
    let broken = StormBalance.brokenInvariantCount(of: space)
    checks.check(broken == 0, "all invariants of the space hold after the storm")
  }

  /// Does the calling processor's part, and leaves the space.
  private func takePart() {
    space.activate()
    var random = RandomNumbers(seed: seed << 8 | UInt64(Processor.current))
    for _ in 0..<roundCount {
      change(&random)
      for _ in 0..<4 { read(page(&random)) }
      // QEMU's turn goes to the next processor here, between the changes of one.
      Processor.pause()
    }
    VmSpace.deactivate()
  }

  private func change(_ random: inout RandomNumbers) {
    let page = page(&random)
    do throws(TesseraError) {
      if random.next(below: 2) == 0 {
        try space.mapFrame(filledWith: Self.word(of: page), at: page)
        mapped.add()
      } else {
        unmapped.add(try unmap(page, &random))
      }
    } catch .alreadyMapped {
      // Another processor was faster, or this one earlier.
    } catch {
      failed.add()
    }
  }

  /// Unmaps one page, or several; the whole table of one that has its own. Returns how many.
  private func unmap(_ page: UInt64, _ random: inout RandomNumbers) throws(TesseraError) -> UInt64 {
    let isSparse = page >= Self.sparseStart
    let pages =
      isSparse
      ? Pages(at: page & ~0x1f_ffff, 512) : Pages(at: page, 1 + random.next(below: 4))
    return try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.unmap(pages.byteCount)
    } / 4096
  }

  /// Reads `page`, and counts what is found there.
  private func read(_ page: UInt64) {
    guard let content = UserAccess.read(page) else { return }
    if content == Self.word(of: page) { found.add() } else { foreign.add() }
  }

  private func page(_ random: inout RandomNumbers) -> UInt64 {
    if usesSparsePages && random.next(below: 4) == 0 {
      let table = random.next(below: Self.sparseCount)
      return Self.sparseStart + table << 21 + table << 12
    }
    return Self.denseStart + random.next(below: Self.denseCount) << 12
  }

  private static func word(of page: UInt64) -> UInt64 { 0x5707_0000_0000_0000 | page }
}
