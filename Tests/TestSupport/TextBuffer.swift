import TesseraHardware

/// A sink that collects text.
package struct TextBuffer: TextSink {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package mutating func write(byte: UInt8) { bytes.append(byte) }
}
