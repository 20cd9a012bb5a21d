internal import TesseraFrames
internal import TesseraHardware

/// What the demonstration writes to the disk: text, each line of which has 15 hexadecimal digits
/// and is its own offset on the disk. So no two words are the same, and a command can make it too.
enum DiskPattern {
  static var pageByteCount: UInt64 { 4096 }

  /// The eight bytes at `offset` on the disk, a multiple of eight.
  static func word(at offset: UInt64) -> UInt64 {
    let line = offset & ~15
    if offset % 16 == 0 { return digits(UInt32(truncatingIfNeeded: line >> 28)) }
    // Seven digits and a line feed.
    let last = digits(UInt32(truncatingIfNeeded: line << 4))
    return last & 0x00ff_ffff_ffff_ffff | 0x0a00_0000_0000_0000
  }

  /// The eight hexadecimal digits of `value`, the first of which is the lowest byte.
  private static func digits(_ value: UInt32) -> UInt64 {
    var digits: UInt64 = 0
    for index in 0..<8 as Range<UInt32> {
      let digit = value >> (4 * index) & 15
      digits = digits << 8 | UInt64(digit < 10 ? 48 + digit : 87 + digit)
    }
    return digits
  }

  /// Writes what belongs on the disk from `offset` on to the `byteCount` bytes at `start` of
  /// `memory`.
  static func fill(
    _ memory: borrowing Segment<PlainMemory>, at start: UInt64, byteCount: UInt64,
    from offset: UInt64
  ) {
    for position in stride(from: 0, to: byteCount, by: 8) {
      memory.setWord(word(at: offset + position), at: start + position)
    }
  }

  /// The number of the `byteCount` bytes at `start` of `memory` that are not what belongs on the
  /// disk from `offset` on.
  static func wrongByteCount(
    _ memory: borrowing Segment<PlainMemory>, at start: UInt64, byteCount: UInt64,
    from offset: UInt64
  ) -> UInt64 {
    var count: UInt64 = 0
    for position in stride(from: 0, to: byteCount, by: 8) {
      var difference = memory.word(at: start + position) ^ word(at: offset + position)
      while difference != 0 {
        if difference & 0xff != 0 { count += 1 }
        difference >>= 8
      }
    }
    return count
  }
}
