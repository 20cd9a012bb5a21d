internal import DemoPlatform
internal import TesseraHardware

/// The words after the kernel's name, as the loader left them in memory.
///
/// Text that ends in a zero byte; a longer one than `limit` is cut.
struct CommandLine {
  private static let limit: UInt64 = 4096

  /// Where the text is, or nil if the loader gave none.
  private let start: PhysicalAddress?

  /// The command line of a multiboot1 loader, whose information is at the physical `information`.
  ///
  /// Multiboot Specification 0.6.96, "Boot information format". Empty for other loaders.
  init(magic: UInt32, information: UInt32) {
    guard magic == 0x2bad_b002, information != 0 else {
      start = nil
      return
    }
    let base = PhysicalAddress(UInt64(information))
    let hasCommandLine = Self.word(at: base) & 1 << 2 != 0
    start = hasCommandLine ? PhysicalAddress(UInt64(Self.word(at: base + 16))) : nil
  }

  /// Whether one of the words, which blanks separate, is `word`.
  func has(_ word: StaticString) -> Bool {
    guard let start else { return false }
    var isWordStart = true
    for index in 0..<Self.limit {
      let byte = Self.byte(at: start + index)
      if byte == 0 { return false }
      if isWordStart && Self.matches(word, at: start + index) { return true }
      isWordStart = byte == 32
    }
    return false
  }

  private static func matches(_ word: StaticString, at start: PhysicalAddress) -> Bool {
    for index in 0..<word.utf8CodeUnitCount {
      // SAFETY: `index` is within the literal, whose bytes live for ever.
      let expected = unsafe word.utf8Start[index]
      guard byte(at: start + UInt64(index)) == expected else { return false }
    }
    let end = byte(at: start + UInt64(word.utf8CodeUnitCount))
    return end == 0 || end == 32
  }

  /// A byte of what the loader left, or zero where nothing is visible.
  private static func byte(at address: PhysicalAddress) -> UInt8 {
    let visible = UInt64(PhysicalMemory.windowAddress) + address.rawValue
    let word = MemoryProbe.read(visible & ~7) ?? 0
    return UInt8(truncatingIfNeeded: word >> ((visible & 7) * 8))
  }

  private static func word(at address: PhysicalAddress) -> UInt32 {
    var value: UInt32 = 0
    for index in 0..<UInt64(4) {
      value |= UInt32(byte(at: address + index)) << UInt32(index * 8)
    }
    return value
  }
}
