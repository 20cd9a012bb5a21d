package import Synchronization

/// The metadata of one physical frame: 64 bytes in an array that covers all of memory.
///
/// Every 4 KiB frame has a slot, whether it is in use or not, so the array costs 1/64 of memory.
/// Only the reference count is always meaningful. The other fields are written by the processor
/// that moves the count out of `unused`, `free` or `inTransition`, and read by holders of a
/// reference: the count is the lock, and its releasing stores and acquiring exchanges order the
/// rest. The states are in `ReferenceCount`.
///
///     offset  0  storage         client metadata (40 bytes)
///                                  or: client metadata (24 bytes), list links (16 bytes)
///                                  or: links of the free list (16 bytes), while free
///            40  referenceCount  a number of owners or a state; see `ReferenceCount`
///            48  kind            type of the metadata, usage, size; see `FrameKind`
///            56  membership      the list or chain that the frame is in
package struct FrameSlot: ~Copyable {
  /// The metadata of a frame in use, or the links of a free block.
  ///
  /// Access: by the owner while the count is `inTransition` or `unique`; read by every owner while
  /// it is shared; under the allocator's lock while it is `free`.
  private let storage: InlineArray<5, UInt64>

  /// The number of owners, or another value of `ReferenceCount`.
  ///
  /// Access: atomic.
  package let referenceCount: Atomic<UInt64>

  /// A `FrameKind`.
  ///
  /// Access: atomic, written only by the owner while the count is `inTransition`, `free` or
  /// `unique`.
  package let kind: Atomic<UInt64>

  /// What links a unique frame to others.
  ///
  /// | Value   | Meaning                                                               |
  /// |---------|-----------------------------------------------------------------------|
  /// | 0       | the frame is linked to no other                                       |
  /// | even    | twice the identifier of the `FrameList` that it is in                 |
  /// | odd     | the frame is in a deferred free chain; 1 at its end, and otherwise    |
  /// |         | `2 * n + 3`, where n is the number of the next frame                  |
  ///
  /// A frame is in a list or in a chain, never in both: each owns the frame's only reference.
  ///
  /// Access: atomic, written only by the owner of the list or of the chain.
  package let membership: Atomic<UInt64>

  /// A slot of an unowned frame.
  package init() {
    storage = InlineArray(repeating: 0)
    referenceCount = Atomic(ReferenceCount.unused)
    kind = Atomic(FrameKind.none.rawValue)
    membership = Atomic(0)
  }

  /// The size of metadata at most, in bytes.
  package static var storageByteCount: Int { 40 }

  /// The size of metadata at most if the frame can be in a list, whose links follow it, in bytes.
  package static var listableByteCount: Int { 24 }

  /// The size of a slot, in bytes.
  package static var byteCount: UInt64 { 64 }
}
