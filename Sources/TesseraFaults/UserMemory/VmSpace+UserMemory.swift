public import TesseraHardware
public import TesseraSpaces

extension VmSpace {
  /// Opens the `byteCount` bytes at `address` for reading. None of them need be mapped, and
  /// `byteCount` may be zero.
  ///
  /// - Throws: `notActive` if the calling processor does not run on this space, or `outOfBounds` if
  ///   the bytes begin below `start` or end above `end`.
  @_lifetime(borrow self)
  public borrowing func reader(
    at address: VirtualAddress, byteCount: UInt64
  ) throws(TesseraError) -> UserMemoryReader {
    UserMemoryReader(try UserMemory(at: address, byteCount: byteCount, of: root))
  }

  /// Opens the bytes of `range` for reading. As `reader(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func reader(
    of range: Range<VirtualAddress>
  ) throws(TesseraError) -> UserMemoryReader {
    try reader(at: range.lowerBound, byteCount: range.upperBound.byteCount(from: range.lowerBound))
  }

  /// Opens the `byteCount` bytes at `address` for writing. As `reader(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func writer(
    at address: VirtualAddress, byteCount: UInt64
  ) throws(TesseraError) -> UserMemoryWriter {
    UserMemoryWriter(try UserMemory(at: address, byteCount: byteCount, of: root))
  }

  /// Opens the bytes of `range` for writing. As `reader(at:byteCount:)`.
  @_lifetime(borrow self)
  public borrowing func writer(
    of range: Range<VirtualAddress>
  ) throws(TesseraError) -> UserMemoryWriter {
    try writer(at: range.lowerBound, byteCount: range.upperBound.byteCount(from: range.lowerBound))
  }
}
