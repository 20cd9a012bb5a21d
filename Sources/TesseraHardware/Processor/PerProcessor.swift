/// A static variable of which each processor has its own value, in cache lines of its own.
///
/// A value has at most 72 bytes and a slot of 128. The storage is aligned to 8, so the 56 bytes or
/// more between two values keep them out of each other's cache lines.
package struct PerProcessor<Value: ~Copyable>: ~Copyable, Sendable {
  private let storage = StaticStorage<Value>()

  /// Creates the values, all bytes of which are zero. For static variables only.
  ///
  /// The caller promises that zero bytes are a valid `Value`, and that a value may be read by all
  /// processors while its own processor changes it.
  @inline(__always)
  @unsafe package init() {}

  /// The number of values. Processors with a higher number share the last one.
  package static var count: Int { ProcessorSet.capacity }

  /// The value of `processor`.
  @inline(__always)
  package subscript(processor: Int) -> Value {
    _read {
      require(
        MemoryLayout<Value>.size <= 72 && Self.count << 7 <= StaticStorage<Value>.byteCount,
        "per-processor value is larger than 72 bytes")
      let offset = min(processor, Self.count - 1) &<< 7
      // SAFETY: the slot is within the storage, which is never freed, and holds a value from the
      // start; see `init`.
      yield unsafe (UnsafeMutableRawPointer(storage.start) + offset)
        .assumingMemoryBound(to: Value.self).pointee
    }
  }
}
