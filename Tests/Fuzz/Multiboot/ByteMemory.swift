public import TesseraBoot

/// An array that plays the memory from `base` on, and counts how often it is read.
public final class ByteMemory: BootMemory {
  private let base: UInt64
  private let bytes: [UInt8]
  /// How many bytes have been asked for.
  public private(set) var readCount = 0

  /// More reads than any information of a few KiB can need: somebody goes round in circles.
  private static let greatestReadCount = 200_000_000

  public init(_ bytes: [UInt8], at base: UInt64) {
    self.bytes = bytes
    self.base = base
  }

  public func byte(at address: UInt64) -> UInt8? {
    readCount += 1
    if readCount > Self.greatestReadCount { fatalError("the information is read without end") }
    guard address >= base, address - base < UInt64(bytes.count) else { return nil }
    return bytes[Int(address - base)]
  }
}
