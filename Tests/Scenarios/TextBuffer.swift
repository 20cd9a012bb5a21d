internal import TesseraHardware

/// Keeps the first bytes of a text, to be compared.
struct TextBuffer: TextSink, Equatable {
  private var bytes = [64 of UInt8](repeating: 0)
  private(set) var count = 0

  mutating func write(byte: UInt8) {
    if count < bytes.count { bytes[count] = byte }
    count += 1
  }

  static func == (left: TextBuffer, right: TextBuffer) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<min(left.count, 64) where left.bytes[index] != right.bytes[index] {
      return false
    }
    return true
  }
}
