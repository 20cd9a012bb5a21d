/// The values of a slot's reference count: a number of owners, or a state of the frame.
///
///                  claim                    publishShared     share, acquire
///     unused ────────────────▶ inTransition ───────────────▶ 1 ────────────────▶ 2 … maximum
///        ▲                       │  ▲    │                   │ ▲ ◀────────────────
///        └───── makeUnowned ─────┘  │    │ publishUnique     │ │       drop
///                                   │    ▼                   │ │
///                                   │  unique ───────────────│─┘ publishShared
///                                   │    ▲                   │
///                                   │    └──── makeUnique ───┤
///                                   └──── drop (the last) ───┘
///
///     free ── allocateSlot, then publish ──▶ 1 or unique
///     inTransition or unique ── retire ──▶ free, or unused if the frame is not the allocator's
///
/// The operations on a reference, all of them methods of `FrameSlotReference`:
///
/// | Operation       | From                       | To                       | Atomic exchange |
/// |-----------------|----------------------------|--------------------------|-----------------|
/// | `claim`         | unused                     | inTransition             | yes, may fail   |
/// | `publishShared` | inTransition, free, unique | 1                        | no              |
/// | `publishUnique` | inTransition, free         | unique                   | no              |
/// | `share`         | n                          | n + 1, caller holds one  | yes             |
/// | `acquire`       | n                          | n + 1, caller holds none | yes, may fail   |
/// | `drop`          | n                          | n - 1                    | yes             |
/// | `makeUnique`    | 1                          | unique                   | yes, may fail   |
/// | `retire`        | inTransition, unique       | free, or unused          | no              |
/// | `makeUnowned`   | inTransition, free, unique | unused                   | no              |
///
/// An unused frame has no owner: the processor whose exchange moves it to `inTransition` gets it. A
/// free frame belongs to the allocator, and a claim does not accept it, so the allocator needs no
/// atomic exchange to allocate it. `inTransition` is zero, so that dropping the last reference
/// moves the frame there with no further store.
package enum ReferenceCount {
  /// Without an owner: the metadata is not initialized, and any processor may claim the frame.
  package static var unused: UInt64 { .max }

  /// With one owner, who does not share the frame and may therefore change its metadata.
  package static var unique: UInt64 { .max - 1 }

  /// In the allocator.
  package static var free: UInt64 { .max - 2 }

  /// A tail frame: part of a compound frame, whose head slot has the count.
  package static var tail: UInt64 { .max - 3 }

  /// Being constructed or destroyed by one processor.
  package static var inTransition: UInt64 { 0 }

  /// The highest count. A frame that reaches it is saturated: its number of owners is no longer
  /// known, so it is never freed.
  package static var maximum: UInt64 { .max >> 1 }

  /// Returns whether `count` is a number of owners.
  @inline(__always)
  package static func isShared(_ count: UInt64) -> Bool { count &- 1 < maximum }
}
