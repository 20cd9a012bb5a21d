/// The window of virtual addresses through which the kernel reaches physical memory.
///
/// A physical address and the virtual address that shows it differ by one number, which the kernel
/// around Tessera chooses and gives at start-up. It is never assumed to be zero.
public enum PhysicalMemory {
  /// Access: written by `setWindow(at:)` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var windowBase: UInt = 0

  /// Makes physical byte zero visible at the virtual address `base`.
  ///
  /// The caller promises that every byte that is later asked for is mapped there, readable and
  /// writable, for as long as Tessera runs.
  @unsafe public static func setWindow(at base: UInt) { unsafe windowBase = base }

  /// The virtual address at which physical byte zero is visible.
  public static var windowAddress: UInt {
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
