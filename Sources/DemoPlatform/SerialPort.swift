internal import TesseraHardware

/// The first serial port of a PC, a 16550 UART at its usual place, without interrupts.
///
/// The boot code has set its speed and format already.
enum SerialPort {
  private static let base: UInt16 = 0x3f8
  private static let lineStatus: UInt16 = base + 5

  /// How often a status is read before the port is taken for dead. A byte takes 87 microseconds.
  private static let patience = 1_000_000

  /// Sends a byte once the port takes one. A port that never does loses it: text is not worth a
  /// hang.
  static func send(_ byte: UInt8) {
    waitFor(0x20)
    // SAFETY: the transmitter's register; writing it sends, and does nothing else.
    unsafe Processor.write(byte, toPort: base)
  }

  /// Waits until the last byte has left, so that an exit does not cut it off.
  static func drain() { waitFor(0x40) }

  private static func waitFor(_ bit: UInt8) {
    var left = patience
    // SAFETY: reading the line status clears its error bits, which nobody looks at.
    while unsafe Processor.readByte(fromPort: lineStatus) & bit == 0, left > 0 {
      left -= 1
      Processor.pause()
    }
  }
}
