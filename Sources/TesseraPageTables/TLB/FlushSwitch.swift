/// Turns TLB flushes off, for a test that has to show that it would notice a missing one.
///
/// Read once per flush, not once per page.
package enum FlushSwitch {
  /// Access: written by the only processor of a test, between two cursors.
  nonisolated(unsafe) private static var isTurnedOff = false

  @inline(__always)
  package static var isOff: Bool {
    // SAFETY: not written while cursors are destroyed on other processors.
    unsafe isTurnedOff
  }

  /// Turns flushes off or on again.
  ///
  /// The caller promises that no other processor runs, that stale translations are used only to
  /// detect them, and that it flushes everything itself in the end.
  @unsafe package static func turn(off: Bool) { unsafe isTurnedOff = off }
}
