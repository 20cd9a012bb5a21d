internal import TesseraHardware
internal import TesseraPageTables

/// The lock of the pager's records: tables of numbers, lists, and counts of references. Not of
/// pages.
///
/// Held for some dozens of instructions, with interrupts off. Nothing is allocated, freed or waited
/// for meanwhile, and no page table is locked.
enum PagerLock {
  private static let lock = SpinLock()

  /// Runs `body` with the lock held.
  @inline(__always)
  static func held<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Who holds it waits for nothing, but was perhaps asked for a flush meanwhile.
    let interrupts = lock.lock(serving: TLBShootdown.serve)
    defer { lock.unlock(interrupts) }
    return try body()
  }
}
