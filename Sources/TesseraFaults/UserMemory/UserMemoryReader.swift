public import TesseraHardware

/// Reads user memory at its user addresses.
///
/// Offsets are in bytes from the reader's first byte; accesses outside its bytes panic. A reader
/// lives no longer than its space, and works only while that is active on the calling processor.
///
/// The program, and devices, may change the memory at any time, so each read stands alone: read a
/// value once, and check the copy.
///
/// The kernel's handler of page faults continues where `PageFault.recovery` says: the read goes on
/// once the page is resolved, or ends before it. `VmSpace.read` needs no handler, and works for any
/// space.
public struct UserMemoryReader: ~Copyable, ~Escapable {
  private let memory: UserMemory

  @_lifetime(immortal)
  init(_ memory: UserMemory) { self.memory = memory }

  /// The address of the first byte.
  public var address: VirtualAddress { memory.address }

  /// The number of bytes, mapped or not.
  public var byteCount: UInt64 { memory.byteCount }

  /// Reads bytes from `offset` until `bytes` is full. Returns how many were read: those before the
  /// first that is not readable in user mode. The rest of `bytes` is unchanged.
  public func read(into bytes: inout MutableRawSpan, at offset: UInt64 = 0) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe read(into: start, buffer.count, at: offset)
    }
  }

  /// Reads an integer at `offset`, which need not be aligned. Returns nil if one of its bytes is
  /// not readable in user mode. Not atomic.
  public func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _: Value.Type, at offset: UInt64 = 0
  ) -> Value? {
    var value: Value = 0
    // SAFETY: the buffer is all bytes of the value, which has some, and any bytes are an integer.
    let isComplete = unsafe withUnsafeMutableBytes(of: &value) { buffer in
      let start = unsafe buffer.baseAddress.unsafelyUnwrapped
      return unsafe read(into: start, buffer.count, at: offset) == buffer.count
    }
    return isComplete ? value : nil
  }

  /// Reads into the `byteCount` bytes at `destination`, which the caller owns.
  @unsafe package func read(
    into destination: UnsafeMutableRawPointer, _ byteCount: Int, at offset: UInt64 = 0
  ) -> Int {
    memory.access(byteCount, at: offset, for: .read) { address, done, count in
      // SAFETY: the addresses are the space's, and the destination has room.
      unsafe Processor.copy(fromUser: address, to: destination + done, byteCount: count)
    }
  }
}

/// A reader stays on the processor that the space is active on.
@available(*, unavailable)
extension UserMemoryReader: Sendable {}
