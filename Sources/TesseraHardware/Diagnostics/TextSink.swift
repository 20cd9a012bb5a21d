/// A destination of text, such as a serial port, a console on the screen or a buffer in a test.
///
/// Text is written a byte at a time and numbers digit by digit, so nothing is allocated.
public protocol TextSink: ~Copyable {
  mutating func write(byte: UInt8)
}

extension TextSink where Self: ~Copyable {
  public mutating func write(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount {
      // SAFETY: `index` is within the literal, whose bytes are static.
      write(byte: unsafe text.utf8Start[index])
    }
  }

  /// Writes `text`, padded on the right with blanks to `width` characters.
  public mutating func write(_ text: StaticString, paddedTo width: Int) {
    write(text)
    writeBlanks(width - text.utf8CodeUnitCount)
  }

  /// Writes `value` in decimal, padded on the left with blanks to `width` characters.
  ///
  /// If `grouped`, thousands are separated by commas.
  public mutating func write(decimal value: UInt64, width: Int = 0, grouped: Bool = false) {
    var divisor: UInt64 = 1
    var digitCount = 1
    while value / divisor >= 10 {
      divisor *= 10
      digitCount += 1
    }
    writeBlanks(width - digitCount - (grouped ? (digitCount - 1) / 3 : 0))
    while digitCount > 0 {
      write(byte: 48 + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
      digitCount -= 1
      if grouped && digitCount > 0 && digitCount % 3 == 0 { write(byte: 44) }
    }
  }

  /// Writes `value` in hexadecimal after "0x", with leading zeros up to `digitCount` digits.
  public mutating func write(hexadecimal value: UInt64, digitCount: Int = 1) {
    write("0x")
    let needed = max(1, (67 - value.leadingZeroBitCount) / 4)
    var shift = UInt64(truncatingIfNeeded: max(digitCount, needed) * 4)
    while shift > 0 {
      shift -= 4
      let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
      write(byte: digit < 10 ? 48 + digit : 87 + digit)
    }
  }

  public mutating func write(_ address: PhysicalAddress) {
    write(hexadecimal: address.rawValue, digitCount: 16)
  }

  public mutating func writeLine() { write(byte: 10) }

  private mutating func writeBlanks(_ count: Int) {
    var left = count
    while left > 0 {
      write(byte: 32)
      left -= 1
    }
  }
}

extension TextSink where Self: ~Copyable {
  /// Writes `byteCount`, rounded down, in the largest unit that gives a number of at least ten.
  ///
  /// The number is right-aligned in `width` characters; the unit takes four more.
  public mutating func write(byteSize byteCount: UInt64, width: Int = 0) {
    if byteCount >= 10 << 40 {
      write(decimal: byteCount >> 40, width: width)
      write(" TiB")
    } else if byteCount >= 10 << 30 {
      write(decimal: byteCount >> 30, width: width)
      write(" GiB")
    } else if byteCount >= 10 << 20 {
      write(decimal: byteCount >> 20, width: width)
      write(" MiB")
    } else {
      write(decimal: byteCount >> 10, width: width)
      write(" KiB")
    }
  }
}
