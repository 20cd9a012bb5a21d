internal import TesseraHardware
internal import TesseraPageTables

/// The place that holds the cursor of a `PageMapper` between its operations.
///
/// The mapper, its tokens and its batches refer to it, and the compiler lets none of them live
/// longer than the mapper. Only the thread of the mapper uses it.
@safe
struct CursorPlace {
  /// Initialized, except while `use` runs.
  private let cursor: UnsafeMutablePointer<SuspendedCursor>

  /// The caller keeps the cursor at `address` initialized for as long as this is used.
  @unsafe init(at address: UnsafeMutablePointer<SuspendedCursor>) { unsafe cursor = address }

  /// Returns whether `other` is the same place.
  func isSame(as other: CursorPlace) -> Bool {
    // SAFETY: addresses are compared, and nothing is accessed.
    unsafe cursor == other.cursor
  }

  /// The root of the tables.
  var root: PageTableNode {
    // SAFETY: initialized; no operation runs.
    unsafe cursor.pointee.root
  }

  /// Calls `body`, which uses this place for nothing else, with the cursor. Returns or throws what
  /// it does.
  func use<Result>(
    _ body: (inout Cursor) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    // SAFETY: initialized, and initialized again before this returns or throws.
    var resumed = unsafe cursor.move().resume()
    do throws(TesseraError) {
      let result = try body(&resumed)
      // SAFETY: moved out above.
      unsafe cursor.initialize(to: SuspendedCursor(resumed))
      return result
    } catch {
      // SAFETY: moved out above.
      unsafe cursor.initialize(to: SuspendedCursor(resumed))
      throw error
    }
  }

  /// As `SuspendedCursor.isFlushPending(for:_:)`.
  func isFlushPending(for page: VirtualAddress, _ size: PageSize) -> Bool {
    // SAFETY: initialized; no operation runs.
    unsafe cursor.pointee.isFlushPending(for: page, size)
  }

  /// As `SuspendedCursor.flush()`.
  func flush() {
    // SAFETY: initialized; no operation runs.
    unsafe cursor.pointee.flush()
  }
}
