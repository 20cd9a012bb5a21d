/// Whether invalidations are carried out, for a test that looks whether it would notice if not.
///
/// Read once when a cursor has something to pay, not for each page.
package enum FlushSwitch {
  /// Access: written by the one processor of a test, at rest between two cursors.
  nonisolated(unsafe) private static var isTurnedOff = false

  @inline(__always)
  package static var isOff: Bool {
    // SAFETY: nobody writes it while cursors are destroyed on other processors.
    unsafe isTurnedOff
  }

  /// Turns invalidations off or on again.
  ///
  /// The caller promises that no other processor runs, that nobody uses a translation that has
  /// become wrong, but to see that it is, and that it empties the caches itself in the end.
  @unsafe package static func turn(off: Bool) { unsafe isTurnedOff = off }
}
