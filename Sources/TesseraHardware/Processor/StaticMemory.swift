internal import CTessera

/// Memory that is there before there are frames, for what a variable is too large for.
package enum StaticMemory {
  /// How many bytes there are.
  package static var byteCount: Int { 12288 }

  /// How many of them, at the start, are for runs of frames that wait.
  package static var runByteCount: Int { 8192 }

  /// How many after those are for what each processor counts.
  package static var counterByteCount: Int { byteCount - runByteCount }

  /// The first of them, aligned to 64. They hold zeros at first. One part of the library has them.
  @inline(__always)
  @unsafe package static var start: UnsafeMutableRawPointer {
    // SAFETY: a static variable's address, which is never null.
    unsafe hw_static_memory()
  }
}
