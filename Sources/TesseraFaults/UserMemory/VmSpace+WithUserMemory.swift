public import TesseraHardware
public import TesseraSpaces

/// Like `reader` and `writer`, for spaces that are a `let` or a property of a class: Swift cannot
/// keep what borrows such a space in a variable.
extension VmSpace {
  /// Calls `body` with the bytes of `range`, opened for reading, and returns what it returns.
  ///
  /// - Throws: what `reader(of:)` and `body` throw.
  @discardableResult
  public borrowing func withReader<Result: ~Copyable>(
    of range: Range<VirtualAddress>,
    _ body: (borrowing UserMemoryReader) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try body(reader(of: range))
  }

  /// Calls `body` with the bytes of `range`, opened for writing, and returns what it returns.
  ///
  /// - Throws: what `writer(of:)` and `body` throw.
  @discardableResult
  public borrowing func withWriter<Result: ~Copyable>(
    of range: Range<VirtualAddress>,
    _ body: (borrowing UserMemoryWriter) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try body(writer(of: range))
  }
}
