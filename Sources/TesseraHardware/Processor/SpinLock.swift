internal import Synchronization

/// A lock that is waited for by spinning, taken with interrupts off.
///
/// For sections of a few hundred instructions that also run in interrupt handlers. Not recursive.
///
/// It has a cache line for itself, wherever it lies: processors that take it write the line, and
/// others that only read what is beside it would have to fetch it each time.
package struct SpinLock: ~Copyable {
  private let before = CacheLinePadding()
  /// Access: atomic. 1 while the lock is held.
  private let word = Atomic<UInt32>(0)
  private let after = CacheLinePadding()

  package init() {}

  /// Takes the lock and turns interrupts off; says whether they were on, for `unlock(_:)`.
  @inline(__always)
  package borrowing func lock() -> Bool {
    let interrupts = Processor.disableInterrupts()
    // Ordering: acquiring, pairs with the releasing store in `unlock`, so that what the last holder
    // wrote is seen.
    while word.exchange(1, ordering: .acquiring) != 0 { waitUntilFree() }
    return interrupts
  }

  /// Lets the lock go, then turns interrupts on if they were.
  @inline(__always)
  package borrowing func unlock(_ interrupts: Bool) {
    // Ordering: releasing, pairs with the exchange in `lock`.
    word.store(0, ordering: .releasing)
    Processor.restoreInterrupts(interrupts)
  }

  /// Reads until the lock looks free, so that waiters do not fight over its cache line.
  @inline(never)
  private borrowing func waitUntilFree() {
    // Ordering: relaxed; the exchange that follows does the ordering.
    while word.load(ordering: .relaxed) != 0 { Processor.pause() }
  }
}

/// So many bytes that what is before and what is after them, aligned to 8, lie in different cache
/// lines.
package struct CacheLinePadding {
  private let words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0, 0, 0, 0
  )

  package init() {}
}
