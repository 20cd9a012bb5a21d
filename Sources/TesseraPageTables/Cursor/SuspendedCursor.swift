package import TesseraHardware

/// A cursor that was put aside: its locks, what it has to flush, and its position.
///
/// For cursors in memory that Swift does not know, such as a C structure. Destroying this closes
/// the cursor. The space has to outlive it, which nothing checks.
package struct SuspendedCursor: ~Copyable {
  private let lock: RangeLock
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
}
