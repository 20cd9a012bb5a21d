import TesseraFrames
import TesseraHardware

/// A word of memory that is read and written with plain instructions, so that a sanitizer detects
/// accesses that are not ordered.
enum Stamp {
  static func write(_ mark: UInt64, to memory: borrowing some UntypedMemory & ~Copyable) {
    withUnsafeBytes(of: mark) { bytes in
      memory.write(RawSpan(_unsafeBytes: bytes), at: memory.byteCount - 8)
    }
  }

  static func read(_ memory: borrowing some UntypedMemory & ~Copyable) -> UInt64 {
    var mark: [1 of UInt64] = [0]
    var span = mark.mutableSpan
    var bytes = span.mutableBytes
    memory.read(into: &bytes, at: memory.byteCount - 8)
    return mark[0]
  }
}
