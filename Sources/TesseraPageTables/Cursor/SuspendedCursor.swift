package import TesseraHardware

/// A cursor that was put aside: its locks, what it has to flush, and its position.
///
/// For cursors in memory that Swift does not know, such as a C structure. Destroying this closes
/// the cursor. The space has to outlive it, which nothing checks.
package struct SuspendedCursor: ~Copyable {
  private var lock: RangeLock
  private let reserve: NodeReservation
  private let position: VirtualAddress

  /// Puts `cursor` aside.
  package init(_ cursor: consuming Cursor) {
    lock = cursor.lock
    reserve = cursor.reserve
    position = cursor.position
  }

  /// Continues with the cursor.
  @_lifetime(immortal)
  package consuming func resume() -> Cursor {
    Cursor(holding: lock, reserve: reserve, at: position)
  }

  /// The first byte of the page that the next operation acts on.
  package var address: VirtualAddress { position }

  /// Whether the range is the kernel's.
  package var isKernel: Bool { lock.tree.isKernel }

  /// The root of the tables.
  package var root: PageTableNode { lock.tree.root }
}

extension SuspendedCursor {
  /// Returns whether a processor may have a translation of the page of `size` at `address` that the
  /// cursor has made stale, because an invalidation is pending that includes it.
  package func isFlushPending(for address: VirtualAddress, _ size: PageSize) -> Bool {
    lock.flusher.isPending(address, size)
  }

  /// Carries out all pending invalidations, with the pages still locked. What was unmapped is freed
  /// when the cursor is closed. Does nothing if none is pending.
  package mutating func flush() { lock.flusher.flushKeepingDeferred(lock.tree.root) }
}
