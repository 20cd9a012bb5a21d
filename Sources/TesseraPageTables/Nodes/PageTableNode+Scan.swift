internal import Synchronization
internal import TesseraHardware

// Most nodes above the leaf tables have few entries, and many operations must find them all: so
// they pass over absent ones eight at a time.

extension PageTableNode {
  /// The index of the first entry from `first` up to `end` that is not absent; `end` if none is.
  @inline(never)
  func firstUsed(from first: Int, upTo end: Int = 512) -> Int {
    require(first >= 0 && end <= 512, "page-table indices are not below 512")
    var index = first
    while index &+ 8 <= end && areAbsent(eightFrom: index) { index &+= 8 }
    while index < end && isAbsent(index) { index &+= 1 }
    return index
  }

  /// The index after the last entry before `end` that is not absent; 0 if none is.
  @inline(never)
  func endOfUsed(before end: Int) -> Int {
    require(end >= 0 && end <= 512, "page-table indices are not below 512")
    var index = end
    while index >= 8 && areAbsent(eightFrom: index &- 8) { index &-= 8 }
    while index > 0 && isAbsent(index &- 1) { index &-= 1 }
    return index
  }

  /// Calls `body` with each entry at `indices` that is not absent when it is reached.
  @inline(__always)
  func forEachUsed(_ indices: Range<Int>, _ body: (Int, PageTableEntry) -> Void) {
    var index = firstUsed(from: indices.lowerBound, upTo: indices.upperBound)
    while index < indices.upperBound {
      body(index, self[index])
      index = firstUsed(from: index &+ 1, upTo: indices.upperBound)
    }
  }

  /// Whether the eight entries from `index`, which are entries of the node, are absent.
  @inline(__always)
  private func areAbsent(eightFrom index: Int) -> Bool {
    let first = rawValue(index) | rawValue(index &+ 1) | rawValue(index &+ 2) | rawValue(index &+ 3)
    let last =
      rawValue(index &+ 4) | rawValue(index &+ 5) | rawValue(index &+ 6) | rawValue(index &+ 7)
    return first | last == 0
  }

  @inline(__always)
  private func isAbsent(_ index: Int) -> Bool { rawValue(index) == 0 }

  /// The entry at `index`, one of the node's, to see whether it is absent.
  @inline(__always)
  private func rawValue(_ index: Int) -> UInt64 {
    // SAFETY: the caller has checked the index.
    // Ordering: relaxed; who uses an entry that is found reads it again.
    unsafe uncheckedWord(at: index).pointee.load(ordering: .relaxed)
  }
}
