internal import CBoot

/// What programs have done: the kernel's counts, or the sums of what the programs report.
struct ProcessCounts: ~Copyable {
  let zeroReads = StormCount()
  let zeroWrites = StormCount()
  /// Writes of shared pages: those that were copied, and those that the only owner left took over.
  let copied = StormCount()
  let takenOver = StormCount()
  let rejected = StormCount()
  let exceptions = StormCount()
  let forks = StormCount()
  let goodPointers = StormCount()
  let badPointers = StormCount()
  /// Page faults for which there was no reason any more.
  let spurious = StormCount()
  let checks = StormCount()
  let failures = StormCount()
  /// The sum of the lines of programs' first failures.
  let failedLines = StormCount()
  /// The processes, and those of them that have reported.
  let started = StormCount()
  let reported = StormCount()
  /// Pages that forks have shared.
  let sharedPages = StormCount()

  /// Adds what a program reports. Its writes of shared pages are counted as copies.
  func add(_ counts: program_counts) {
    zeroReads.add(counts.zero_reads)
    zeroWrites.add(counts.zero_writes)
    copied.add(counts.shared_writes)
    rejected.add(counts.rejected)
    exceptions.add(counts.exceptions)
    forks.add(counts.forks)
    goodPointers.add(counts.good_pointers)
    badPointers.add(counts.bad_pointers)
    checks.add(counts.checks)
    failures.add(counts.failures)
    failedLines.add(counts.failed_line)
    reported.add()
  }
}
