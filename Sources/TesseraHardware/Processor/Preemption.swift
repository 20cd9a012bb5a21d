internal import CTessera

/// Whether the kernel may switch threads on the calling processor.
public enum Preemption {
  /// Runs `body` with preemption off: the calling thread stays on this processor, and no other runs
  /// there.
  ///
  /// Page tables are locked only meanwhile. A thread that was switched away with a lock held would
  /// have the next one spin on it for ever; one that was switched away between reading the address
  /// of a table and locking it could lock a frame that is no longer that table.
  ///
  /// Calls may be nested. `body` should be short, because the kernel's default is to turn
  /// interrupts off.
  @inline(__always)
  public static func disabled<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let state = disable()
    defer { enable(state) }
    return try body()
  }

  /// Turns preemption off. Returns a state for `enable`, which must follow.
  @inline(__always)
  package static func disable() -> UInt64 { tessera_host_preempt_disable() }

  /// Ends what the latest `disable` began, which returned `state`.
  @inline(__always)
  package static func enable(_ state: UInt64) { tessera_host_preempt_enable(state) }
}
