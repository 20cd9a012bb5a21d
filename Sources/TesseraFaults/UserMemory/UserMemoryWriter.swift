public import TesseraHardware

/// Writes user memory at its user addresses.
///
/// As `UserMemoryReader` in all other respects.
public struct UserMemoryWriter: ~Copyable, ~Escapable {
  private let memory: UserMemory

  @_lifetime(immortal)
  init(_ memory: UserMemory) { self.memory = memory }

  /// The address of the first byte.
  public var address: VirtualAddress { memory.address }

  /// The number of bytes, mapped or not.
  public var byteCount: UInt64 { memory.byteCount }

  /// Writes `bytes` at `offset`. Returns how many were written: those before the first that is not
  /// writable in user mode.
  public func write(_ bytes: borrowing RawSpan, at offset: UInt64 = 0) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe write(from: start, buffer.count, at: offset)
    }
  }

  /// Writes `value` at `offset`, which need not be aligned. Returns false, and writes nothing, if
  /// one of its bytes is not writable in user mode. Not atomic: a part may be written if another
  /// processor takes the right away meanwhile.
  public func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at offset: UInt64 = 0
  ) -> Bool {
    guard memory.isWhole(.write, MemoryLayout<Value>.size, at: offset) else { return false }
    // SAFETY: the buffer is all bytes of the value, which has some.
    return unsafe withUnsafeBytes(of: value) { buffer in
      let start = unsafe buffer.baseAddress.unsafelyUnwrapped
      return unsafe write(from: start, buffer.count, at: offset) == buffer.count
    }
  }

  /// Writes the `byteCount` bytes at `source`.
  @unsafe package func write(
    from source: UnsafeRawPointer, _ byteCount: Int, at offset: UInt64 = 0
  ) -> Int {
    memory.access(byteCount, at: offset, for: .write) { address, done, count in
      // SAFETY: the addresses are the space's, and the source has as many bytes.
      unsafe Processor.copy(source + done, toUser: address, byteCount: count)
    }
  }
}

/// A writer stays on the processor that the space is active on.
@available(*, unavailable)
extension UserMemoryWriter: Sendable {}
