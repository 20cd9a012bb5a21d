package import TesseraHardware

// Arithmetic inside a range that was checked when its cursor was opened. None of it can wrap there,
// so none of it is checked again.

extension VirtualAddress {
  /// The address `byteCount` bytes further on.
  @inline(__always)
  package func advanced(unchecked byteCount: UInt64) -> VirtualAddress {
    VirtualAddress(rawValue &+ byteCount)
  }

  /// The last address of the aligned block of `span` bytes, a power of two, that this lies in.
  @inline(__always)
  func last(in span: UInt64) -> VirtualAddress { VirtualAddress(rawValue | (span &- 1)) }

  /// The number of bytes from `start`, which is not after this.
  @inline(__always)
  func distance(from start: VirtualAddress) -> UInt64 { rawValue &- start.rawValue }
}
