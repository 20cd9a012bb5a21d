package import Synchronization

/// The 64-byte record that describes one physical frame.
///
/// The count is the only field that always means something. The others are written by whoever moves
/// the count out of `unused`, `free` or `busy`, and read by those who hold a count.
package struct FrameSlot: ~Copyable {
  /// The metadata of a frame in use, and for a free block the links of its free list.
  ///
  /// Access: by the owner, while the count is `busy` or `unique`; read by every owner otherwise;
  /// under the allocator's lock while the frame is free.
  private let storage: InlineArray<5, UInt64>

  /// How many owners the frame has, or one of the other values of `ReferenceCount`.
  ///
  /// Access: atomic.
  package let referenceCount: Atomic<UInt64>

  /// A `FrameKind`.
  ///
  /// Access: atomic, written only by the owner while the count is `busy`, `free` or `unique`.
  package let kind: Atomic<UInt64>

  /// The identifier of the list that the frame is in; 0 for none.
  ///
  /// Access: atomic, written only by the owner of the list.
  package let listIdentifier: Atomic<UInt64>

  /// A slot whose frame nobody owns.
  package init() {
    storage = InlineArray(repeating: 0)
    referenceCount = Atomic(ReferenceCount.unused)
    kind = Atomic(FrameKind.none.rawValue)
    listIdentifier = Atomic(0)
  }

  /// The bytes that metadata can have, from the slot's first on.
  package static var storageByteCount: Int { 40 }

  /// The bytes that metadata can have in a frame that is to go into a list, whose links come after.
  package static var listableByteCount: Int { 24 }

  /// How many bytes a slot has. Every frame of a machine costs this much.
  package static var byteCount: UInt64 { 64 }
}
