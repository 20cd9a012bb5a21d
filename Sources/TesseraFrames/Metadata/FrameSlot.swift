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
///            56  membership      the list or chain that the frame is in (48 bits)
///            62  written         1 once the frame was written through a shared mapping
///            63  lock            1 while a page-table node is locked
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

  /// What links a unique frame to others: 48 bits, of which these are the lower 32.
  ///
  /// | Value   | Meaning                                                               |
  /// |---------|-----------------------------------------------------------------------|
  /// | 0       | the frame is linked to no other                                       |
  /// | 4n + 2  | the frame is in the `FrameList` with the identifier n                 |
  /// | odd     | the frame is in a deferred free chain; 1 at its end, and otherwise    |
  /// |         | `2 * n + 3`, where n is the number of the next frame                  |
  ///
  /// A frame is in a list or in a chain, never in both: each owns the frame's only reference. The
  /// lower bits are zero only if all are.
  ///
  /// Access: atomic, written only by the owner of the list or of the chain.
  package let membership: Atomic<UInt32>

  /// The upper 16 bits of the membership. Access: as for the lower ones.
  package let upperMembership: Atomic<UInt16>

  /// 1 once the frame was written through a mapping that other spaces share, and that is gone.
  ///
  /// Beside the metadata, because who removes the mapping does not know the type of that.
  ///
  /// Access: atomic.
  package let written: Atomic<UInt8>

  /// 1 while the lock of a page-table node is held.
  ///
  /// Not a part of the node's metadata, because a walk without locks may reach for the lock of a
  /// frame that is a node no more. It holds the lock for some instructions then, until it has
  /// noticed; the owner of the frame is not disturbed.
  ///
  /// Access: atomic.
  package let lock: Atomic<UInt8>

  /// A slot of an unowned frame.
  package init() {
    storage = InlineArray(repeating: 0)
    referenceCount = Atomic(ReferenceCount.unused)
    kind = Atomic(FrameKind.none.rawValue)
    membership = Atomic(0)
    upperMembership = Atomic(0)
    written = Atomic(0)
    lock = Atomic(0)
  }

  /// The size of metadata at most, in bytes.
  package static var storageByteCount: Int { 40 }

  /// The size of metadata at most if the frame can be in a list, whose links follow it, in bytes.
  package static var listableByteCount: Int { 24 }

  /// The size of a slot, in bytes.
  package static var byteCount: UInt64 { 64 }
}
