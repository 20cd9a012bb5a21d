import Synchronization
import TesseraHardware

/// Physical memory as a processor's page walk sees it: words, one at a time, whatever else happens.
struct SimulatedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: UInt64

  /// The memory of the machine that was made last.
  init(byteCount: UInt64) {
    base = UnsafeMutableRawPointer(bitPattern: PhysicalMemory.directMapBase)!
    self.byteCount = byteCount
  }

  func contains(_ address: UInt64) -> Bool { address < byteCount }

  /// The word at `address`, which is memory.
  @inline(__always)
  func load(_ address: UInt64) -> UInt64 {
    // Ordering: relaxed; as far as this test machine goes, a walk promises nothing more.
    word(address).pointee.load(ordering: .relaxed)
  }

  /// Sets `bits` of the word at `address` as the processor sets the accessed and dirty bits, if the
  /// word still is `expected` but for these two. Returns whether it did.
  func set(_ bits: UInt64, at address: UInt64, expecting expected: UInt64) -> Bool {
    var old = load(address)
    while (old ^ expected) & ~0x60 == 0 {
      // Ordering: relaxed; see `load`. A processor's own update is locked, like this one.
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
