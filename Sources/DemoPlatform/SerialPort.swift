internal import TesseraHardware

/// The first serial port of a PC, a 16550 UART, polled.
///
/// The boot code has set its speed and format.
enum SerialPort {
  private static let base: UInt16 = 0x3f8
  private static let lineStatus: UInt16 = base + 5

  /// How often the status is read before giving up. A byte takes 87 microseconds.
  private static let maximumPollCount = 1_000_000

  /// Sends a byte once the port accepts one. The byte is lost if it never does, so that output
  /// cannot hang the kernel.
  static func send(_ byte: UInt8) {
    waitFor(0x20)
    // SAFETY: writing the transmitter's register only sends the byte.
    unsafe Processor.write(byte, toPort: base)
  }

  /// Waits until the last byte has been sent.
  static func drain() { waitFor(0x40) }

  private static func waitFor(_ bit: UInt8) {
    var left = maximumPollCount
    // SAFETY: reading the line status clears its error bits, which are not used.
    while unsafe Processor.readByte(fromPort: lineStatus) & bit == 0, left > 0 {
      left -= 1
      Processor.pause()
    }
  }
}
