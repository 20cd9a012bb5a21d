package import TesseraHardware

extension Cursor {
  /// Calls `body` with a cursor over `range` of the tables under `root`, with preemption off, and
  /// returns what it returns. As `init(over:of:_:)`.
  @inline(__always)
  package static func with<Result: ~Copyable>(
    over range: Range<VirtualAddress>, of root: PageTableNode, _ nodes: CursorNodes,
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try Preemption.disabled { () throws(TesseraError) in
      var cursor = try Cursor(over: range, of: root, nodes)
      return try body(&cursor)
    }
  }
}
