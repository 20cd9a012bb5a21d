import Synchronization
import TesseraHardware

/// Physical memory as a page walk accesses it: one word at a time, concurrently with all else.
struct SimulatedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: UInt64

  /// Creates the memory of the current machine.
  init(byteCount: UInt64) {
    base = UnsafeMutableRawPointer(bitPattern: PhysicalMemory.directMapBase)!
    self.byteCount = byteCount
  }

  func contains(_ address: UInt64) -> Bool { address < byteCount }

  /// Returns the word at `address`.
  ///
  /// - Precondition: the address is memory.
  @inline(__always)
  func load(_ address: UInt64) -> UInt64 {
    // Ordering: relaxed; walks of the simulated machine have no stronger ordering.
    word(address).pointee.load(ordering: .relaxed)
  }

  /// Calls `body` with the index and the word of each present entry of the table at `address`.
  @inline(__always)
  func visitPresent(ofTable address: UInt64, _ body: (_ index: Int, _ word: UInt64) -> Void) {
    // Most entries are absent: eight at a time.
    for first in stride(from: 0, to: 512, by: 8) {
      var bits: UInt64 = 0
      for index in first..<first + 8 { bits |= load(address + UInt64(index) * 8) }
      if bits & 1 == 0 { continue }
      for index in first..<first + 8 {
        let word = load(address + UInt64(index) * 8)
        if word & 1 != 0 { body(index, word) }
      }
    }
  }

  /// As `load`, for a walk that is followed by an access: the access depends on the entry, which
  /// orders the two.
  func loadBeforeUse(_ address: UInt64) -> UInt64 {
    // Ordering: acquiring, pairs with the store of the entry.
    word(address).pointee.load(ordering: .acquiring)
  }

  /// Atomically sets `bits`, the accessed or dirty bit or both, in the word at `address`, if its
  /// other bits still equal those of `expected`. Returns whether they do.
  func set(_ bits: UInt64, at address: UInt64, expecting expected: UInt64) -> Bool {
    var old = load(address)
    while (old ^ expected) & ~0x60 == 0 {
      // Ordering: relaxed; see `load`. The update of a real processor is locked too.
      let (isDone, found) = word(address).pointee.compareExchange(
        expected: old, desired: old | bits, ordering: .relaxed)
      if isDone { return true }
      old = found
    }
    return false
  }

  @inline(__always)
  private func word(_ address: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (base + Int(address)).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
