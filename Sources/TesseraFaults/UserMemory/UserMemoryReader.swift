public import TesseraHardware
public import TesseraSpaces

/// Reads a program's memory at the program's own addresses.
///
/// Lives no longer than its space, and works only while that is active on the processor; stays
/// where it was made. The program, and devices, may change the memory at any time: each read stands
/// alone, and what is to be checked is first read once, and the copy checked. Offsets are in bytes
/// from the first one that the reader was made for; those that lie beyond the last trap.
///
/// Until faults are recovered, a page that only a fault handler would put there counts as not
/// there, and nobody may unmap a page while it is read.
public struct UserMemoryReader: ~Copyable, ~Escapable {
  private let memory: UserMemory

  @_lifetime(immortal)
  init(_ memory: UserMemory) { self.memory = memory }

  /// The first byte.
  public var address: VirtualAddress { memory.address }

  /// How many bytes there are, mapped or not.
  public var byteCount: UInt64 { memory.byteCount }

  /// Copies as many bytes as `bytes` has, from `offset` bytes after the first on. Returns how many
  /// were copied: up to the first one that the program could not read.
  ///
  /// The rest of `bytes` is as it was.
  public func read(into bytes: inout MutableRawSpan, at offset: UInt64 = 0) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe read(into: start, buffer.count, at: offset)
    }
  }

  /// The number `offset` bytes from the first on, aligned or not, or nil if the program could not
  /// read all of its bytes. They are not read all at once.
  public func load<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _: Value.Type, at offset: UInt64 = 0
  ) -> Value? {
    var value: Value = 0
    // SAFETY: the buffer is all bytes of the value, which has some, and is a number whatever they
    // are.
    let isWhole = unsafe withUnsafeMutableBytes(of: &value) { buffer in
      let start = unsafe buffer.baseAddress.unsafelyUnwrapped
      return unsafe read(into: start, buffer.count, at: offset) == buffer.count
    }
    return isWhole ? value : nil
  }

  /// The caller owns the `byteCount` bytes from `destination` on.
  @unsafe private func read(
    into destination: UnsafeMutableRawPointer, _ byteCount: Int, at offset: UInt64
  ) -> Int {
    memory.forEachStretch(of: byteCount, at: offset, for: .reading) { address, done, count in
      // SAFETY: the program may read the stretch, and the destination has room for all of them.
      unsafe Processor.copy(fromUser: address, to: destination + done, byteCount: count)
    }
  }
}

/// A reader stays on the processor on which the space is active.
@available(*, unavailable)
extension UserMemoryReader: Sendable {}

extension VmSpace {
  /// A reader of the `byteCount` bytes from `address` on, as a program named them: nothing needs to
  /// be mapped there, and there may be no bytes at all.
  ///
  /// Throws `notActive` if the calling processor does not run on this space, and `outOfBounds` if
  /// the bytes begin below `start`, or reach above `end` or beyond the last of all addresses.
  @_lifetime(borrow self)
  public borrowing func reader(
    at address: VirtualAddress, byteCount: UInt64
  ) throws(UserMemoryError) -> UserMemoryReader {
    UserMemoryReader(try UserMemory(at: address, byteCount: byteCount, of: root))
  }

  /// A reader of the bytes of `range`. As `reader(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func reader(
    of range: Range<VirtualAddress>
  ) throws(UserMemoryError) -> UserMemoryReader {
    try reader(at: range.lowerBound, byteCount: range.upperBound.byteCount(from: range.lowerBound))
  }
}
