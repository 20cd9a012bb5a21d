package import TesseraPageTables

extension PageTableNode {
  /// The node as if its lock were held, for tests that break a rule while nothing else runs.
  @_lifetime(immortal)
  package func assumingLocked() -> LockedNode {
    // SAFETY: nothing else runs, which is the test's to ensure.
    unsafe LockedNode(holding: self, level: level)
  }
}
