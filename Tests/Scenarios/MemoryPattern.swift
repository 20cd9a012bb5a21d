internal import TesseraFrames
internal import TesseraHardware

/// Words that differ from each other and from frame to frame.
enum MemoryPattern {
  /// Writes the pattern everywhere in `memory`, and returns whether all of it is there afterwards.
  static func keeps(_ memory: borrowing some UntypedMemory & ~Copyable) -> Bool {
    var offset: UInt64 = 0
    while offset < memory.byteCount {
      memory.setWord(word(memory.address, offset), at: offset)
      offset += 8
    }
    return isThere(in: memory)
  }

  /// Whether the pattern is everywhere in `memory`.
  static func isThere(in memory: borrowing some UntypedMemory & ~Copyable) -> Bool {
    var offset: UInt64 = 0
    while offset < memory.byteCount {
      if memory.word(at: offset) != word(memory.address, offset) { return false }
      offset += 8
    }
    return true
  }

  /// Whether every word of `memory` is zero.
  static func isZero(_ memory: borrowing some UntypedMemory & ~Copyable) -> Bool {
    var offset: UInt64 = 0
    while offset < memory.byteCount {
      if memory.word(at: offset) != 0 { return false }
      offset += 8
    }
    return true
  }

  private static func word(_ address: PhysicalAddress, _ offset: UInt64) -> UInt64 {
    (address.rawValue &+ offset) &* 0x9e37_79b9_7f4a_7c15 | 1
  }
}
