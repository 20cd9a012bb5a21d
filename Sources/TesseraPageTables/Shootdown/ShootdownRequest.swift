internal import Synchronization
internal import TesseraHardware

// What processors ask of each other, by way of records in memory, one of each kind for each
// processor.
//
// Access: atomic, all of it.

/// What a processor asks others to flush. Written by that processor, while it waits for no other.
struct ShootdownRequest: PerProcessorValue, ~Copyable {
  /// The root whose tables have changed, or `TLBShootdown.everyRoot`.
  let root: Atomic<UInt64>
  /// The pages, as in a `PendingRange`.
  let range: Atomic<UInt64>
  let earlierRange: Atomic<UInt64>
  /// The versions of the root, as in a `RootChange`.
  let oldVersion: Atomic<UInt64>
  let newVersion: Atomic<UInt64>
  /// How many versions this processor has made.
  let versionCount: Atomic<UInt64>

  static var variable: PerProcessorVariable { .shootdownRequest }
}

/// The processors whose requests a processor has to answer: a word for each group.
struct PendingFrom: PerProcessorValue, ~Copyable {
  let groups: InlineArray<8, Atomic<UInt64>>

  static var variable: PerProcessorVariable { .pendingFrom }
}

/// The processors that have not answered the request of a processor: a word for each group.
struct WaitingFor: PerProcessorValue, ~Copyable {
  let groups: InlineArray<8, Atomic<UInt64>>

  static var variable: PerProcessorVariable { .waitingFor }
}
