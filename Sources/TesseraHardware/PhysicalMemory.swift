internal import Synchronization

/// The direct map, the range of virtual addresses where all physical memory is mapped.
///
/// A physical address and its virtual address in the direct map differ by a constant, which the
/// kernel around Tessera chooses and passes at start-up. It is never assumed to be zero.
public enum PhysicalMemory {
  /// Access: written by `setDirectMap(at:)` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var base: UInt = 0

  /// Sets the virtual address at which the direct map maps physical address zero.
  ///
  /// The caller promises that all memory that Tessera accesses is mapped there, readable and
  /// writable, for as long as Tessera runs.
  @unsafe public static func setDirectMap(at base: UInt) { unsafe self.base = base }

  /// The virtual address of physical address zero in the direct map.
  @inline(__always)
  public static var directMapBase: UInt {
    // SAFETY: constant once the kernel runs; see `base`.
    unsafe base
  }

  /// Returns a pointer to `address` in the direct map.
  ///
  /// The caller promises that the address is memory, mapped in the direct map, and that it has the
  /// right to access it.
  @inline(__always)
  @unsafe public static func pointer(to address: PhysicalAddress) -> UnsafeMutableRawPointer {
    let mapped = unsafe base &+ UInt(truncatingIfNeeded: address.rawValue)
    return unsafe UnsafeMutableRawPointer(bitPattern: mapped).unsafelyUnwrapped
  }
}

extension PhysicalMemory {
  /// Loads the word at `pointer` with a single access, whatever else accesses the memory.
  ///
  /// The caller promises that `pointer` is aligned and points to eight bytes of memory.
  @inline(__always)
  @unsafe package static func loadWord(from pointer: UnsafeMutableRawPointer) -> UInt64 {
    // Ordering: relaxed; devices and user programs may write the memory at any time.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
  }

  /// Stores `value` at `pointer` with a single access.
  ///
  /// The caller promises what `loadWord(from:)` requires.
  @inline(__always)
  @unsafe package static func storeWord(_ value: UInt64, to pointer: UnsafeMutableRawPointer) {
    // Ordering: relaxed; see `loadWord`.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(
      value, ordering: .relaxed)
  }

  /// Stores `new` at `pointer` if the word there is `expected`. Returns the word that was there.
  ///
  /// The caller promises what `loadWord(from:)` requires.
  @unsafe package static func exchangeWord(
    at pointer: UnsafeMutableRawPointer, expected: UInt64, new: UInt64
  ) -> UInt64 {
    // Ordering: acquiring and releasing, as programs expect of a locked instruction.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.compareExchange(
      expected: expected, desired: new, ordering: .acquiringAndReleasing
    ).original
  }

  /// As `loadWord(from:)`, of four bytes.
  @unsafe package static func loadHalfWord(from pointer: UnsafeMutableRawPointer) -> UInt32 {
    // Ordering: relaxed; see `loadWord`.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed)
  }

  /// As `storeWord(_:to:)`, of four bytes.
  @unsafe package static func storeHalfWord(_ value: UInt32, to pointer: UnsafeMutableRawPointer) {
    // Ordering: relaxed; see `loadWord`.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(
      value, ordering: .relaxed)
  }

  /// As `exchangeWord(at:expected:new:)`, of four bytes.
  @unsafe package static func exchangeHalfWord(
    at pointer: UnsafeMutableRawPointer, expected: UInt32, new: UInt32
  ) -> UInt32 {
    // Ordering: as there.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.compareExchange(
      expected: expected, desired: new, ordering: .acquiringAndReleasing
    ).original
  }

  /// Fills `byteCount` bytes at `address`, both multiples of eight, with copies of `word`.
  ///
  /// The caller promises that they are memory, mapped in the direct map, and that it owns them.
  @inline(__always)
  @unsafe package static func fill(
    from address: PhysicalAddress, with word: UInt64, byteCount: UInt64
  ) {
    unsafe Processor.fill(pointer(to: address), with: word, count: Int(byteCount / 8))
  }

  /// Copies the 4 KiB at `source` to those at `destination`.
  ///
  /// The caller promises that both are memory, mapped in the direct map, and that it owns the
  /// destination.
  @unsafe package static func copyPage(
    from source: PhysicalAddress, to destination: PhysicalAddress
  ) {
    unsafe Processor.copyWords(
      from: pointer(to: source), to: pointer(to: destination),
      count: Int(PageSize.fourKiB.byteCount / 8))
  }

  /// Returns whether all words of the `byteCount` bytes at `address` equal `word`.
  ///
  /// The caller promises what `fill(from:with:byteCount:)` requires.
  @unsafe package static func isFilled(
    from address: PhysicalAddress, with word: UInt64, byteCount: UInt64
  ) -> Bool {
    let start = unsafe pointer(to: address)
    for offset in 0..<Int(byteCount / 8) where unsafe loadWord(from: start + offset * 8) != word {
      return false
    }
    return true
  }
}
