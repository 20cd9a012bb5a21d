public import TesseraHardware

/// Plain physical memory that a handle keeps in use: its words can be read and written.
///
/// Devices, programs and other owners may change the memory at any time, so each access stands
/// alone and nothing is assumed to stay. Offsets are in bytes from the handle's first; those that
/// lie beyond the end or are not aligned trap.
public protocol UntypedMemory: ~Copyable {
  /// The first byte.
  var address: PhysicalAddress { get }
  /// How many bytes there are.
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
  /// The 64-bit word `offset` bytes from the start, a multiple of eight.
  @inline(__always)
  public borrowing func word(at offset: UInt64) -> UInt64 {
    // SAFETY: `pointer` checks the offset, and the handle keeps the memory in use.
    unsafe PhysicalMemory.loadWord(from: pointer(to: offset, byteCount: 8, alignment: 8))
  }

  /// Stores `value` `offset` bytes from the start, a multiple of eight.
  @inline(__always)
  public borrowing func setWord(_ value: UInt64, at offset: UInt64) {
    // SAFETY: `pointer` checks the offset, and the handle keeps the memory in use.
    unsafe PhysicalMemory.storeWord(value, to: pointer(to: offset, byteCount: 8, alignment: 8))
  }

  /// Stores `word` everywhere.
  @inline(__always)
  public borrowing func fill(with word: UInt64) {
    // SAFETY: the handle keeps `byteCount` bytes in use.
    unsafe PhysicalMemory.fill(from: address, with: word, byteCount: byteCount)
  }

  /// Whether every word is `word`.
  public borrowing func isFilled(with word: UInt64) -> Bool {
    // SAFETY: the handle keeps `byteCount` bytes in use.
    unsafe PhysicalMemory.isFilled(from: address, with: word, byteCount: byteCount)
  }

  /// Copies `bytes` to `offset` bytes from the start.
  public borrowing func write(_ bytes: borrowing RawSpan, at offset: UInt64 = 0) {
    // SAFETY: `pointer` checks the range, and the handle keeps the memory in use.
    let destination = unsafe pointer(
      to: offset, byteCount: UInt64(bytes.byteCount), alignment: 1)
    unsafe bytes.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe destination.copyMemory(from: start, byteCount: source.count)
    }
  }

  /// Copies as many bytes as `bytes` has from `offset` bytes after the start.
  public borrowing func read(into bytes: inout MutableRawSpan, at offset: UInt64 = 0) {
    // SAFETY: `pointer` checks the range, and the handle keeps the memory in use.
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
      !overflow && end <= self.byteCount, "an access lies beyond the memory of its handle", address)
    require(offset % alignment == 0, "an access to a word is not aligned", address)
    // SAFETY: the handle keeps its memory in use, and the range is inside it.
    return unsafe PhysicalMemory.pointer(to: address) + Int(offset)
  }
}
