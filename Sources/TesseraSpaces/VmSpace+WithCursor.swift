public import TesseraHardware
public import TesseraPageTables

extension VmSpace {
  /// Locks the pages of `range`, calls `body` with a cursor at its start, and returns what `body`
  /// returns. The TLB is flushed and the lock released before this returns or throws.
  ///
  /// As `cursor(over:reservingNodes:)`, but turns preemption off by itself, and works where a
  /// cursor cannot be kept in a variable: for a space that is a `let` or a property of a class.
  ///
  /// - Throws: what `cursor(over:reservingNodes:)` and `body` throw.
  @discardableResult
  @inline(__always)
  public borrowing func withCursor<Result: ~Copyable>(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false,
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor.with(over: range, of: root, reservingNodes ? .reserved : .added, body)
  }

  /// Like `withCursor(over:reservingNodes:_:)`, for a caller that changes or inspects what is
  /// mapped in `range`, as with `cursor(overMapped:)`: adds no nodes.
  ///
  /// - Throws: what `cursor(overMapped:)` and `body` throw.
  @discardableResult
  @inline(__always)
  public borrowing func withCursor<Result: ~Copyable>(
    overMapped range: Range<VirtualAddress>,
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor.with(over: range, of: root, .existing, body)
  }
}

extension KernelSpace {
  /// Locks the pages of `range`, which lies in `area`, and calls `body` with a cursor at its start.
  /// As `VmSpace.withCursor(over:reservingNodes:_:)`.
  @discardableResult
  @inline(__always)
  public static func withCursor<Result: ~Copyable>(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false,
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try checkBounds(of: range)
    return try Cursor.with(over: range, of: root, reservingNodes ? .reserved : .added, body)
  }

  /// Locks the mapped pages of `range`, which lies in `area`, and calls `body` with a cursor at its
  /// start. As `VmSpace.withCursor(overMapped:_:)`.
  @discardableResult
  @inline(__always)
  public static func withCursor<Result: ~Copyable>(
    overMapped range: Range<VirtualAddress>,
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try checkBounds(of: range)
    return try Cursor.with(over: range, of: root, .existing, body)
  }
}
