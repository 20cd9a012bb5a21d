internal import Synchronization

/// A spin lock that is held with interrupts off.
///
/// For critical sections of a few hundred instructions that also run in interrupt handlers. Not
/// recursive.
///
/// Padding gives the lock a cache line of its own at any address. Otherwise each acquisition would
/// evict neighbouring data from the caches of processors that only read it.
package struct SpinLock: ~Copyable {
  private let before = CacheLinePadding()
  /// Access: atomic. 1 while the lock is held.
  private let word = Atomic<UInt32>(0)
  private let after = CacheLinePadding()

  package init() {}

  /// Turns interrupts off and acquires the lock. Returns whether they were on, for `unlock(_:)`.
  @inline(__always)
  package borrowing func lock() -> Bool {
    let interrupts = Processor.disableInterrupts()
    acquire()
    return interrupts
  }

  /// Acquires the lock. Interrupts are off.
  @inline(__always)
  package borrowing func acquire() {
    // Ordering: acquiring, pairs with the releasing store in `release`, so that critical
    // sections are ordered.
    while word.exchange(1, ordering: .acquiring) != 0 { waitUntilFree() }
  }

  /// Releases the lock, and leaves interrupts off.
  @inline(__always)
  package borrowing func release() {
    // Ordering: releasing, pairs with the exchange in `acquire`.
    word.store(0, ordering: .releasing)
  }

  /// As `lock()`, for a lock whose owner may wait for other processors: calls `serve` while it
  /// spins.
  package borrowing func lock(serving serve: () -> Void) -> Bool {
    let interrupts = Processor.disableInterrupts()
    // Ordering: acquiring, as in `acquire()`.
    while word.exchange(1, ordering: .acquiring) != 0 {
      serve()
      Processor.pause()
    }
    return interrupts
  }

  /// Releases the lock, then turns interrupts on if they were.
  @inline(__always)
  package borrowing func unlock(_ interrupts: Bool) {
    release()
    Processor.restoreInterrupts(interrupts)
  }

  /// Spins on a load until the lock is free, so that waiters do not contend for its cache line.
  @inline(never)
  private borrowing func waitUntilFree() {
    // Ordering: relaxed; the exchange in `acquire` that follows provides the ordering.
    while word.load(ordering: .relaxed) != 0 { Processor.pause() }
  }
}

/// Enough bytes that the fields before and after them, aligned to 8, are in different cache lines.
package struct CacheLinePadding {
  private let words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0, 0, 0, 0
  )

  package init() {}
}
