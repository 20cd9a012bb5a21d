public import TesseraHardware
internal import TesseraPageTables

/// Maps, changes and unmaps single pages of a locked range, for kernels that think in pages.
///
/// Each change returns a `PageFlush`: destroyed, it flushes the page from the TLBs; given to a
/// `FlushBatch`, it is flushed together with others. Neither can be forgotten, and neither can
/// happen too late: at its end the mapper flushes what is still pending.
///
///     try space.withPageMapper(over: range) { mapper throws(TesseraError) in
///       try mapper.map(page, as: .userReadWrite).flush()
///       var batch = mapper.batch()
///       batch.consume(try mapper.unmap(other))
///       batch.consume(try mapper.remap(third, as: .userRead))
///       batch.flush()
///     }
///
/// The range stays locked until the mapper ends, which is after the last token. Were a page
/// unlocked while its token lives, another processor could map it again, which needs no flush, and
/// return, while a third one still reads the old frame through its TLB. So tokens do not outlive
/// the mapper, and neither does what was unmapped: it is freed when the mapper has ended, after
/// every processor that could reach it has acknowledged the flush, and page tables that have become
/// empty with it.
///
/// One page is a mapping of 4 KiB, 2 MiB or 1 GiB, and stays one: an operation never splits a large
/// page, nor changes it through the address of a part. After an error nothing has changed. For
/// ranges, use a cursor, which this is a thin layer over.
///
/// Preemption is off while a mapper lives, and other cursors wait, so the range and the closure
/// should be short. See `Cursor` for what the processor may do meanwhile.
public struct PageMapper: ~Copyable, ~Escapable {
  let place: CursorPlace

  @_lifetime(immortal)
  private init(_ place: CursorPlace) { self.place = place }

  /// Calls `body` with a mapper over `range` of the tables under `root`, with preemption off, and
  /// returns what it returns. As `Cursor.with`.
  static func with<Result: ~Copyable>(
    over range: Range<VirtualAddress>, of root: PageTableNode,
    _ body: (borrowing PageMapper) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try Preemption.disabled { () throws(TesseraError) in
      var cursor = SuspendedCursor(try Cursor(over: range, of: root, .added))
      // SAFETY: the cursor stays at its address and initialized for as long as the mapper lives.
      return try unsafe withUnsafeMutablePointer(to: &cursor) {
        (address) throws(TesseraError) -> Result in
        try body(PageMapper(unsafe CursorPlace(at: address)))
      }
    }
  }

  /// Creates a batch, which flushes once for all the tokens that it is given.
  @_lifetime(borrow self)
  public borrowing func batch() -> FlushBatch { FlushBatch(place) }
}

/// A mapper stays on the processor that has locked its range.
@available(*, unavailable)
extension PageMapper: Sendable {}

extension VmSpace {
  /// Locks the pages of `range`, calls `body` with a mapper for them, and returns what `body`
  /// returns. What is pending is flushed, and the lock released, before this returns or throws.
  ///
  /// - Throws: what `cursor(over:reservingNodes:)` and `body` throw.
  @discardableResult
  public borrowing func withPageMapper<Result: ~Copyable>(
    over range: Range<VirtualAddress>,
    _ body: (borrowing PageMapper) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try PageMapper.with(over: range, of: root, body)
  }
}

extension KernelSpace {
  /// Locks the pages of `range`, which lies in `area`, and calls `body` with a mapper for them. As
  /// `VmSpace.withPageMapper(over:_:)`.
  @discardableResult
  public static func withPageMapper<Result: ~Copyable>(
    over range: Range<VirtualAddress>,
    _ body: (borrowing PageMapper) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try checkBounds(of: range)
    return try PageMapper.with(over: range, of: root, body)
  }
}
