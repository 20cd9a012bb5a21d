public import TesseraHardware

/// The only handle to a frame, whose metadata may therefore be changed.
///
/// While it lives the frame cannot be shared, neither by a handle nor by address. Creating,
/// changing and destroying one takes no atomic exchange.
@frozen
public struct UniqueFrame<Metadata: FrameMetadata & ~Copyable>: ~Copyable, Sendable {
  package let slot: FrameSlotReference

  /// Adopts the unique reference to the frame of `slot`.
  ///
  /// The caller holds it, for a frame whose metadata is a `Metadata`, and relinquishes it.
  @inline(__always)
  @unsafe package init(adopting slot: FrameSlotReference) { self.slot = slot }

  /// Allocates a frame and stores `metadata` in its slot.
  ///
  /// The frame is filled with zeros unless `request` specifies otherwise.
  ///
  /// - Throws: `outOfFrames`; `metadata` is then destroyed.
  @inline(__always)
  public init(
    allocating metadata: consuming Metadata, _ request: FrameRequest = FrameRequest()
  ) throws(TesseraError) {
    slot = try FrameAllocator.allocateSlot(request)
    slot.initialize(metadata, allocated: true)
    if request.size != .fourKiB { slot.makeCompound(request.size) }
    slot.publishUnique()
  }

  /// Claims the frame at `address`, which has no owner, and stores `metadata` in its slot.
  ///
  /// Otherwise like `Frame.init(claiming:metadata:)`.
  public init(
    claiming address: PhysicalAddress, metadata: consuming Metadata
  ) throws(TesseraError) {
    let slot = try FrameTable.slot(at: address)
    try FrameAllocator.claim(slot)
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    slot.publishUnique()
    self.slot = slot
  }

  /// The first byte of the frame.
  @inline(__always)
  public var address: PhysicalAddress { slot.address }

  /// The size of the frame.
  public var size: PageSize { slot.kind.size }

  /// The metadata, to which this handle has exclusive access.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: this handle has the unique reference.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
    _modify {
      // SAFETY: this handle has the unique reference.
      yield unsafe &slot.storage(as: Metadata.self).pointee
    }
  }

  deinit {
    require(slot.count == ReferenceCount.unique, "a unique frame was shared", slot.address)
    slot.retire()
  }
}

extension UniqueFrame where Metadata: ~Copyable {
  /// Converts to a handle that can be shared, and whose metadata no longer changes.
  @inline(__always)
  public consuming func shared() -> Frame<Metadata> {
    let slot = relinquishSlot()
    slot.publishShared()
    // SAFETY: the first reference replaces the unique one.
    return unsafe Frame(adopting: slot)
  }

  /// Replaces the metadata, without freeing and reallocating the frame.
  ///
  /// The old metadata is destroyed as if the last reference had been dropped. The frame's contents
  /// do not change.
  public consuming func repurposed<Other: FrameMetadata & ~Copyable>(
    as metadata: consuming Other
  ) -> UniqueFrame<Other> {
    let slot = relinquishSlot()
    slot.destroyMetadata()
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    // SAFETY: the unique reference moves over, and the metadata is now an `Other`.
    return unsafe UniqueFrame<Other>(adopting: slot)
  }

  /// Relinquishes the handle's unique reference to the caller.
  @inline(__always)
  public consuming func relinquish() -> PhysicalAddress { relinquishSlot().address }

  @inline(__always)
  package consuming func relinquishSlot() -> FrameSlotReference {
    let slot = slot
    discard self
    return slot
  }

  /// Adopts the relinquished unique reference to the frame at `address`.
  ///
  /// The caller guarantees that a handle to `Metadata` relinquished it, and that it is adopted
  /// once.
  ///
  /// - Precondition: `address` is the address of a frame that has a unique owner.
  @unsafe public init(adopting address: PhysicalAddress) {
    guard let slot = try? FrameTable.slot(at: address), slot.count == ReferenceCount.unique else {
      panic("adopted a frame that has no unique owner", address)
    }
    // SAFETY: the caller gives the same guarantee.
    unsafe self.init(adopting: slot)
  }
}
