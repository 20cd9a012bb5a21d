internal import CTessera

/// Memory that is there before there are frames, for what a variable is too large for.
package enum StaticMemory {
  /// How many bytes there are.
  package static var byteCount: Int { 8192 }

  /// The first of them, aligned to 64. They hold zeros at first. One part of the library has them.
  // Not inlined: the C function has other memory in each module that it becomes a part of.
  @inline(never)
  @unsafe package static var start: UnsafeMutableRawPointer {
    // SAFETY: a static variable's address, which is never null.
    unsafe hw_static_memory()
  }
}
