// What must hold when all programs have ended.
extension ProcessRun {
  /// Calls `body` with the name of each number that the programs and the kernel both count, what
  /// the programs report, and what the kernel has counted.
  func forEachCount(_ body: (_ name: StaticString, _ reported: UInt64, _ counted: UInt64) -> Void) {
    body("first reads of zeroed pages", reports.zeroReads.total, counts.zeroReads.total)
    body("first writes of zeroed pages", reports.zeroWrites.total, counts.zeroWrites.total)
    body(
      "first writes of shared pages", reports.copied.total,
      counts.copied.total + counts.takenOver.total)
    body("page faults that end a program", reports.rejected.total, counts.rejected.total)
    body("other exceptions that do", reports.exceptions.total, counts.exceptions.total)
    body("forks", reports.forks.total, counts.forks.total)
    body("calls with good pointers", reports.goodPointers.total, counts.goodPointers.total)
    body("calls with bad pointers", reports.badPointers.total, counts.badPointers.total)
  }

  /// Checks what must hold after programs without threads.
  func check(with checks: inout Checks) {
    checkEnds(with: &checks)
    var areEqual = true
    forEachCount { _, reported, counted in areEqual = areEqual && reported == counted }
    checks.check(areEqual, "the programs and the kernel have counted the same")
    checks.check(counts.takenOver.total > 0, "some pages are taken over by their last owner")
  }

  /// Checks what must hold after programs of either kind: what their threads and copies have found
  /// in memory, and that they have ended as they should.
  func checkEnds(with checks: inout Checks) {
    checks.check(reports.failures.total == 0, "each program finds in its memory what it wrote")
    checks.check(table.counts.now == 0, "every program ends")
    checks.check(starved.total == 0, "no program lacks memory")
    let ended = counts.rejected.total + counts.exceptions.total
    checks.check(
      counts.started.total == reports.reported.total + ended,
      "every program reports, or is ended by an exception")
    checks.check(reports.checks.total > 0 && counts.forks.total > 0, "programs compare and fork")
  }
}
