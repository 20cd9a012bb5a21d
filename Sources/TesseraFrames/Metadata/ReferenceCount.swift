/// The values of a slot's reference count.
///
///     unused ──claim──▶ busy ──publish──▶ 1 ◀──share, release──▶ 2 … maximum
///        ▲                ▲               │ ▲
///        │                │            release                publish
///        │                └── release ────┘ │  ┌──────────── unique ◀── busy, free
///        └── busy                           └──┘ share, reclaim
///
///     free ──allocate──▶ 1 or unique          busy ──give back──▶ free
///
/// An unused frame belongs to nobody: whoever wins the exchange to `busy` has it. A free one
/// belongs to the allocator, which is why handing it out takes no atomic exchange. `busy` is zero,
/// so that the last release arrives there by itself.
package enum ReferenceCount {
  /// Nobody's: the metadata is not initialised, and anyone may claim the frame.
  package static var unused: UInt64 { .max }

  /// One owner, who does not share the frame and so may change its metadata.
  package static var unique: UInt64 { .max - 1 }

  /// The allocator's, to hand out.
  package static var free: UInt64 { .max - 2 }

  /// A part of a larger frame, other than its first 4 KiB, whose slot counts the owners.
  package static var tail: UInt64 { .max - 3 }

  /// Being made or unmade by one owner.
  package static var inTransition: UInt64 { 0 }

  /// The highest count. A frame that reaches it stays in use for ever, because from then on nobody
  /// knows how many owners it has.
  package static var maximum: UInt64 { .max >> 1 }

  /// Whether `count` is a number of owners.
  @inline(__always)
  package static func isShared(_ count: UInt64) -> Bool { count &- 1 < maximum }
}
