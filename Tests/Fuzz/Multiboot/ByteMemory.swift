public import TesseraBoot

/// An array that simulates the memory at `base`, and counts reads.
public final class ByteMemory: BootMemory {
  private let base: UInt64
  private let bytes: [UInt8]
  /// The number of bytes read.
  public private(set) var readCount = 0

  /// More reads than information of a few KiB can need: the reader loops.
  private static let greatestReadCount = 200_000_000

  public init(_ bytes: [UInt8], at base: UInt64) {
    self.bytes = bytes
    self.base = base
  }

  public func byte(at address: UInt64) -> UInt8? {
    readCount += 1
    if readCount > Self.greatestReadCount { fatalError("the information is read endlessly") }
    guard address >= base, address - base < UInt64(bytes.count) else { return nil }
    return bytes[Int(address - base)]
  }
}
