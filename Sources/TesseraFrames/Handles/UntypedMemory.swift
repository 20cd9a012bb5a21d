public import TesseraHardware

/// A handle to plain physical memory, which can be read and written.
///
/// Devices, programs and other owners may change the memory at any time, so every access is
/// volatile in effect: no value is assumed to persist. Offsets are in bytes from the handle's
/// first.
///
/// - Precondition: Of every access: it is aligned, and within the handle's memory.
public protocol UntypedMemory: ~Copyable {
  /// The address of the first byte.
  var address: PhysicalAddress { get }
  /// The size in bytes.
  var byteCount: UInt64 { get }
}

extension Frame: UntypedMemory where Metadata: UntypedContents & ~Copyable {
  @inline(__always) public var byteCount: UInt64 { size.byteCount }
}

extension UniqueFrame: UntypedMemory where Metadata: UntypedFrameMetadata & ~Copyable {
  @inline(__always) public var byteCount: UInt64 { size.byteCount }
}

extension Segment: UntypedMemory where Metadata: UntypedContents & ~Copyable {}

extension UntypedMemory where Self: ~Copyable {
  /// Returns the 64-bit word at `offset`, a multiple of eight.
  @inline(__always)
  public borrowing func word(at offset: UInt64) -> UInt64 {
    // SAFETY: `pointer` checks the range.
    unsafe PhysicalMemory.loadWord(from: pointer(to: offset, byteCount: 8, alignment: 8))
  }

  /// Stores `value` as the 64-bit word at `offset`, a multiple of eight.
  @inline(__always)
  public borrowing func setWord(_ value: UInt64, at offset: UInt64) {
    // SAFETY: `pointer` checks the range.
    unsafe PhysicalMemory.storeWord(value, to: pointer(to: offset, byteCount: 8, alignment: 8))
  }

  /// Fills the memory with copies of `word`.
  @inline(__always)
  public borrowing func fill(with word: UInt64) {
    // SAFETY: the handle keeps the memory in use.
    unsafe PhysicalMemory.fill(from: address, with: word, byteCount: byteCount)
  }

  /// Returns whether every word equals `word`.
  public borrowing func isFilled(with word: UInt64) -> Bool {
    // SAFETY: the handle keeps the memory in use.
    unsafe PhysicalMemory.isFilled(from: address, with: word, byteCount: byteCount)
  }

  /// Copies `bytes` to the memory at `offset`.
  public borrowing func write(_ bytes: borrowing RawSpan, at offset: UInt64 = 0) {
    // SAFETY: `pointer` checks the range.
    let destination = unsafe pointer(
      to: offset, byteCount: UInt64(bytes.byteCount), alignment: 1)
    unsafe bytes.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe destination.copyMemory(from: start, byteCount: source.count)
    }
  }

  /// Fills `bytes` from the memory at `offset`.
  public borrowing func read(into bytes: inout MutableRawSpan, at offset: UInt64 = 0) {
    // SAFETY: `pointer` checks the range.
    let source = unsafe pointer(to: offset, byteCount: UInt64(bytes.byteCount), alignment: 1)
    unsafe bytes.withUnsafeMutableBytes { destination in
      guard let start = destination.baseAddress else { return }
      unsafe start.copyMemory(from: source, byteCount: destination.count)
    }
  }

  @inline(__always)
  @unsafe private borrowing func pointer(
    to offset: UInt64, byteCount: UInt64, alignment: UInt64
  ) -> UnsafeMutableRawPointer {
    let (end, overflow) = offset.addingReportingOverflow(byteCount)
    require(
      !overflow && end <= self.byteCount, "access beyond the memory of the handle", address)
    require(offset % alignment == 0, "misaligned access to a word", address)
    // SAFETY: the handle keeps its memory in use, and the range is within it.
    return unsafe PhysicalMemory.pointer(to: address) + Int(offset)
  }
}
