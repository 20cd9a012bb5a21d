public import TesseraHardware

/// The only handle to a frame, whose metadata may therefore be changed.
///
/// As long as it lives nobody can share the frame, neither from a handle nor by address. Making,
/// changing and destroying one takes no atomic exchange.
@frozen
public struct UniqueFrame<Metadata: FrameMetadata & ~Copyable>: ~Copyable, Sendable {
  package let slot: FrameSlotReference

  /// Takes over the unique count of the frame of `slot`.
  ///
  /// The caller holds it, for a frame whose metadata is a `Metadata`, and gives it up.
  @inline(__always)
  @unsafe package init(adopting slot: FrameSlotReference) { self.slot = slot }

  /// Allocates a frame and stores `metadata` in its slot.
  ///
  /// The frame holds zeros, unless `request` says otherwise. Throws `outOfFrames`; `metadata` is
  /// then destroyed.
  @inline(__always)
  public init(
    allocating metadata: consuming Metadata, _ request: FrameRequest = FrameRequest()
  ) throws(FrameError) {
    slot = try FrameAllocator.allocateSlot(request)
    slot.initialize(metadata, allocated: true)
    if request.size != .fourKiB { slot.makeCompound(request.size) }
    slot.setCount(ReferenceCount.unique)
  }

  /// Claims the frame at `address`, which nobody owns, and stores `metadata` in its slot.
  ///
  /// As `Frame.init(claiming:metadata:)`.
  public init(
    claiming address: PhysicalAddress, metadata: consuming Metadata
  ) throws(FrameError) {
    let slot = try FrameTable.slot(at: address)
    try FrameAllocator.claim(slot)
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    slot.setCount(ReferenceCount.unique)
    self.slot = slot
  }

  /// The first byte of the frame.
  @inline(__always)
  public var address: PhysicalAddress { slot.address }

  /// How much memory the frame is.
  public var size: PageSize { slot.kind.size }

  /// The metadata, which nobody else can see.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: the unique count is this handle's.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
    _modify {
      // SAFETY: the unique count is this handle's.
      yield unsafe &slot.storage(as: Metadata.self).pointee
    }
  }

  deinit {
    require(slot.count == ReferenceCount.unique, "a unique frame was shared", slot.address)
    slot.retire()
  }
}

extension UniqueFrame where Metadata: ~Copyable {
  /// The same frame as one that can be shared, from now on with unchanging metadata.
  @inline(__always)
  public consuming func shared() -> Frame<Metadata> {
    let slot = relinquishSlot()
    slot.setCount(1)
    // SAFETY: the count of one takes the place of the unique one.
    return unsafe Frame(adopting: slot)
  }

  /// The same frame with other metadata, without a way through the allocator.
  ///
  /// The old metadata is dropped as if its last owner had let go. The frame's bytes stay.
  public consuming func repurposed<Other: FrameMetadata & ~Copyable>(
    as metadata: consuming Other
  ) -> UniqueFrame<Other> {
    let slot = relinquishSlot()
    slot.destroyMetadata()
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    // SAFETY: the unique count moves over, and the metadata is now an `Other`.
    return unsafe UniqueFrame<Other>(adopting: slot)
  }

  /// Gives up the handle but keeps its unique count, which the caller now holds.
  @inline(__always)
  public consuming func relinquish() -> PhysicalAddress { relinquishSlot().address }

  @inline(__always)
  package consuming func relinquishSlot() -> FrameSlotReference {
    let slot = slot
    discard self
    return slot
  }

  /// Takes over the unique count that was relinquished for the frame at `address`.
  ///
  /// The caller promises that it was relinquished by a handle to `Metadata` and is adopted once.
  /// Traps if `address` is no frame's, or its frame has no unique owner.
  @unsafe public init(adopting address: PhysicalAddress) {
    guard let slot = try? FrameTable.slot(at: address), slot.count == ReferenceCount.unique else {
      panic("adopted a frame that has no unique owner", address)
    }
    // SAFETY: the caller makes the same promise.
    unsafe self.init(adopting: slot)
  }
}
