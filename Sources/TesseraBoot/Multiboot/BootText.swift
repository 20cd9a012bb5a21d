public import TesseraHardware

/// A text of the loader's: a command line, or the name of the loader.
///
/// It is read in place, and valid as long as the memory is.
public struct BootText<Memory: BootMemory> {
  private let memory: Memory
  private let place: BootTextPlace

  init(_ memory: Memory, _ place: BootTextPlace) {
    self.memory = memory
    self.place = place
  }

  /// The number of bytes.
  public var byteCount: Int { Int(place.byteCount) }

  /// The byte at `index`, in `0..<byteCount`.
  public subscript(index: Int) -> UInt8 {
    require(index >= 0 && index < byteCount, "text index is out of range")
    return memory.knownByte(at: place.start + UInt64(index))
  }

  /// Writes the text, with question marks for bytes that are not printable ASCII.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    for index in 0..<byteCount {
      let byte = self[index]
      sink.write(byte: byte >= 0x20 && byte < 0x7f ? byte : 0x3f)
    }
  }

  /// Returns whether the text equals `other`, byte for byte.
  public func equals(_ other: StaticString) -> Bool {
    byteCount == other.utf8CodeUnitCount && hasPrefix(other)
  }

  /// The text as a decimal number, or nil if it is none or does not fit.
  public var decimal: UInt64? {
    var value: UInt64 = 0
    for index in 0..<byteCount {
      let byte = self[index]
      guard byte >= 48 && byte <= 57 else { return nil }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(byte - 48))
      if tooLarge || overflow { return nil }
      value = sum
    }
    return byteCount == 0 ? nil : value
  }
}

extension BootText {
  /// Returns whether `option` is one of the words of the text.
  public func contains(option: StaticString) -> Bool {
    var found = false
    forEachWord { if $0.equals(option) { found = true } }
    return found
  }

  /// Returns the text after the equals sign of the last word that starts with `name` and an equals
  /// sign.
  public func value(of name: StaticString) -> BootText? {
    var value: BootText?
    let nameLength = name.utf8CodeUnitCount
    forEachWord { word in
      if word.byteCount > nameLength && word.hasPrefix(name) && word[nameLength] == 0x3d {
        value = word.slice(from: nameLength + 1, to: word.byteCount)
      }
    }
    return value
  }

  /// Calls `body` for each word; words are separated by blanks and control characters.
  public func forEachWord(_ body: (BootText) -> Void) {
    var start = 0
    for index in 0..<byteCount where self[index] <= 0x20 {
      if start < index { body(slice(from: start, to: index)) }
      start = index + 1
    }
    if start < byteCount { body(slice(from: start, to: byteCount)) }
  }

  private func hasPrefix(_ other: StaticString) -> Bool {
    guard byteCount >= other.utf8CodeUnitCount else { return false }
    for index in 0..<other.utf8CodeUnitCount {
      // SAFETY: `index` is within the literal, whose bytes are static.
      let expected = unsafe other.utf8Start[index]
      if self[index] != expected { return false }
    }
    return true
  }

  private func slice(from start: Int, to end: Int) -> BootText {
    BootText(
      memory,
      BootTextPlace(start: place.start + UInt64(start), byteCount: UInt64(end - start)))
  }
}
