public import TesseraHardware

/// The kernel's console: the first serial port. Lines end with a line feed.
public struct Console: TextSink {
  public init() {}

  public mutating func write(byte: UInt8) { SerialPort.send(byte) }
}
