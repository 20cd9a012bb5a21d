import Testing

/// How often a walk has done what.
struct PagerWalkTally {
  var reads = 0
  var writes = 0
  var faults = 0
  var waits = 0
  var failures = 0
  var freed = 0
  var forks = 0
  var resizes = 0
  var synchronized = 0

  mutating func add(_ other: PagerWalkTally) {
    reads += other.reads
    writes += other.writes
    faults += other.faults
    waits += other.waits
    failures += other.failures
    freed += other.freed
    forks += other.forks
    resizes += other.resizes
    synchronized += other.synchronized
  }

  func report(_ isSlow: Bool) {
    print(
      "tally: \(isSlow ? "a slow store" : "a fast store"): \(reads) reads, \(writes) writes, "
        + "\(faults) faults, \(waits) waits, \(failures) failures, \(freed) pages freed, "
        + "\(forks) forks, \(resizes) resizes, \(synchronized) times synchronized")
    #expect(freed > 0 && faults > 0 && forks > 0 && resizes > 0 && synchronized > 0)
    #expect((waits > 0) == isSlow)
  }
}
