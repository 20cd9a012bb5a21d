public import TesseraHardware
public import TesseraSpaces

/// Writes a program's memory at the program's own addresses.
///
/// As `UserMemoryReader` in all other respects. What the program could not write is not written,
/// also what it shares with others until it writes (copy on write).
public struct UserMemoryWriter: ~Copyable, ~Escapable {
  private let memory: UserMemory

  @_lifetime(immortal)
  init(_ memory: UserMemory) { self.memory = memory }

  /// The first byte.
  public var address: VirtualAddress { memory.address }

  /// How many bytes there are, mapped or not.
  public var byteCount: UInt64 { memory.byteCount }

  /// Copies `bytes` to where `offset` bytes after the first one are. Returns how many were copied:
  /// up to the first one that the program could not write.
  public func write(_ bytes: borrowing RawSpan, at offset: UInt64 = 0) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe write(from: start, buffer.count, at: offset)
    }
  }

  /// Stores `value` `offset` bytes from the first on, aligned or not. Says whether the program
  /// could write all of its bytes; otherwise none is written. They are not written all at once.
  public func store<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ value: Value, at offset: UInt64 = 0
  ) -> Bool {
    guard memory.isUsable(MemoryLayout<Value>.size, at: offset, for: .writing) else {
      return false
    }
    // SAFETY: the buffer is all bytes of the value, which has some.
    return unsafe withUnsafeBytes(of: value) { buffer in
      let start = unsafe buffer.baseAddress.unsafelyUnwrapped
      return unsafe write(from: start, buffer.count, at: offset) == buffer.count
    }
  }

  /// There are `byteCount` bytes from `source` on.
  @unsafe private func write(
    from source: UnsafeRawPointer, _ byteCount: Int, at offset: UInt64
  ) -> Int {
    memory.forEachStretch(of: byteCount, at: offset, for: .writing) { address, done, count in
      // SAFETY: the program may write the stretch, and the source has as many bytes.
      unsafe Processor.copy(source + done, toUser: address, byteCount: count)
    }
  }
}

/// A writer stays on the processor on which the space is active.
@available(*, unavailable)
extension UserMemoryWriter: Sendable {}

extension VmSpace {
  /// A writer of the `byteCount` bytes from `address` on. As `reader(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func writer(
    at address: VirtualAddress, byteCount: UInt64
  ) throws(UserMemoryError) -> UserMemoryWriter {
    UserMemoryWriter(try UserMemory(at: address, byteCount: byteCount, of: root))
  }

  /// A writer of the bytes of `range`. As `writer(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func writer(
    of range: Range<VirtualAddress>
  ) throws(UserMemoryError) -> UserMemoryWriter {
    try writer(at: range.lowerBound, byteCount: range.upperBound.byteCount(from: range.lowerBound))
  }
}
