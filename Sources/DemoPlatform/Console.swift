public import TesseraHardware

/// Where the kernel's text goes: the first serial port, a line ending in a line feed alone.
public struct Console: TextSink {
  public init() {}

  public mutating func write(byte: UInt8) { SerialPort.send(byte) }
}
