internal import CBenchmarks
internal import TesseraHardware

/// Where the loops keep their handles between allocating and freeing, as a kernel's table would.
enum Handles {
  /// Access: written once, by the one thread of the benchmarks.
  nonisolated(unsafe) private static var start: UnsafeMutableRawPointer?

  /// Reserves room for `count` handles of at most two words.
  static func reserve(_ count: Int) {
    // SAFETY: one thread.
    unsafe start = host_reserve(count * 16)
  }

  /// The room for handles of type `Handle`.
  ///
  /// The caller initialises only what it deinitialised before, and the other way round.
  @inline(__always)
  @unsafe static func places<Handle: ~Copyable>(
    of _: Handle.Type
  ) -> UnsafeMutablePointer<Handle> {
    unsafe start.unsafelyUnwrapped.assumingMemoryBound(to: Handle.self)
  }
}
