internal import Synchronization

/// The window of virtual addresses through which the kernel reaches physical memory.
///
/// A physical address and the virtual address that shows it differ by one number, which the kernel
/// around Tessera chooses and gives at start-up. It is never assumed to be zero.
public enum PhysicalMemory {
  /// Access: written by `setDirectMap(at:)` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var windowBase: UInt = 0

  /// Makes physical byte zero visible at the virtual address `base`.
  ///
  /// The caller promises that every byte that is later asked for is mapped there, readable and
  /// writable, for as long as Tessera runs.
  @unsafe public static func setDirectMap(at base: UInt) { unsafe windowBase = base }

  /// The virtual address at which physical byte zero is visible.
  @inline(__always)
  public static var directMapBase: UInt {
    // SAFETY: constant once the kernel runs; see `windowBase`.
    unsafe windowBase
  }

  /// The byte at `address`, seen through the window.
  ///
  /// The caller promises that the byte is memory, mapped by the window, and that it may touch it.
  @inline(__always)
  @unsafe public static func pointer(to address: PhysicalAddress) -> UnsafeMutableRawPointer {
    let visible = unsafe windowBase &+ UInt(truncatingIfNeeded: address.rawValue)
    return unsafe UnsafeMutableRawPointer(bitPattern: visible).unsafelyUnwrapped
  }
}

extension PhysicalMemory {
  /// The word at `pointer`, read once and whole, whatever else touches the memory.
  ///
  /// The caller promises that eight bytes of memory are there, aligned.
  @inline(__always)
  @unsafe package static func loadWord(from pointer: UnsafeMutableRawPointer) -> UInt64 {
    // Ordering: relaxed; the memory may be a device's or a program's, and promises nothing.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
  }

  /// Stores `value` at `pointer`, once and whole. As for `loadWord`.
  @inline(__always)
  @unsafe package static func storeWord(_ value: UInt64, to pointer: UnsafeMutableRawPointer) {
    // Ordering: relaxed; see `loadWord`.
    unsafe pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(
      value, ordering: .relaxed)
  }

  /// Stores `word` everywhere in the `byteCount` bytes from `address` on, multiples of eight.
  ///
  /// The caller promises that they are memory, mapped by the window, and its own.
  @inline(__always)
  @unsafe package static func fill(
    from address: PhysicalAddress, with word: UInt64, byteCount: UInt64
  ) {
    unsafe Processor.fill(pointer(to: address), with: word, count: Int(byteCount / 8))
  }

  /// Whether every word of the `byteCount` bytes from `address` on is `word`. As for `fill`.
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
