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

  /// Access: as for `isTurnedOff`.
  nonisolated(unsafe) private static var isTurnedOffElsewhere = false

  /// Whether other processors are not asked to flush.
  static var isOffElsewhere: Bool {
    // SAFETY: not written while cursors are destroyed on other processors.
    unsafe isTurnedOffElsewhere
  }

  /// Turns the flushes of other processors off or on again. The caller promises what it does for
  /// `turn(off:)`, and that the others flush in the end.
  @unsafe package static func turnElsewhere(off: Bool) { unsafe isTurnedOffElsewhere = off }

  /// Turns flushes off or on again.
  ///
  /// The caller promises that no other processor runs, that stale translations are used only to
  /// detect them, and that it flushes everything itself in the end.
  @unsafe package static func turn(off: Bool) { unsafe isTurnedOff = off }
}
