internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPager

// What the kernel does so that there is memory, and what stores do.

extension RandomPagerOperations {
  mutating func reclaim() {
    let count = generator.below(40)
    note(.reclaim, 0, value: UInt64(count))
    if options.usesClock, generator.oneIn(8) {
      outcome.freedCount += Pager.reclaim(count).freed
    } else {
      visit(count, rounds: 3)
    }
  }

  /// Visits the frames of the walk, at most so many times each, until `count` pages are taken away.
  private mutating func visit(_ count: Int, rounds: Int) {
    var result = ReclaimResult()
    var visits = 0
    while result.freed < count, visits < rounds * Self.frameCount, result.beingWritten / 4 < count {
      Pager.visit(FrameTable.slot(number: hand), &result)
      hand = hand + 1 < frames.upperBound ? hand + 1 : frames.lowerBound
      visits += 1
    }
    outcome.freedCount += result.freed
  }

  /// Has some frames be free again.
  mutating func makeRoom() {
    stores.finish { _ in true }
    visit(40, rounds: 6)
  }

  /// Takes all pages away that can be.
  mutating func reclaimAll() {
    note(.reclaimAll, 0)
    for _ in 0..<4 {
      visit(.max, rounds: 6)
      stores.finish { _ in true }
    }
  }

  /// Has the pager keep more frames free than are, from now on, or as few as it likes.
  mutating func keepFree() {
    let low = generator.oneIn(2) ? 0 : freeFrameCount + UInt64(generator.below(20))
    note(.keepFree, 0, value: low)
    guard options.usesClock else { return }
    Pager.setMarks(low: low, high: low + UInt64(generator.below(20)))
    outcome.freedCount += Pager.keepFree().freed
    // As one call would do for ever if memory is scarce.
    if generator.oneIn(2) { Pager.setMarks(low: 0, high: 0) }
  }

  /// Has a store fail for a while.
  mutating func fail() {
    let group = generator.below(2)
    note(.fail, 0, value: UInt64(group))
    stores.fail(group, reads: generator.below(3), writes: generator.below(4))
  }

  mutating func finishSome() {
    note(.finish, 0)
    stores.finish { $0.below(3) > 0 }
  }
}
