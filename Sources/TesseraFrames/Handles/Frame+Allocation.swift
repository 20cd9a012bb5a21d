public import TesseraHardware

extension Frame where Metadata: FrameMetadata & ~Copyable {
  /// Allocates a frame and stores `metadata` in its slot.
  ///
  /// The frame is filled with zeros unless `request` specifies otherwise.
  ///
  /// - Throws: `outOfFrames`; `metadata` is then destroyed.
  @inline(__always)
  public init(
    allocating metadata: consuming Metadata, _ request: FrameRequest = FrameRequest()
  ) throws(TesseraError) {
    let slot = try FrameAllocator.allocateSlot(request)
    slot.initialize(metadata, allocated: true)
    if request.size != .fourKiB { slot.makeCompound(request.size) }
    slot.publishShared()
    // SAFETY: the first reference is this handle's.
    unsafe self.init(adopting: slot)
  }

  /// Claims the frame at `address`, which has no owner, and stores `metadata` in its slot.
  ///
  /// For memory at a fixed address, and for memory that was never donated to the allocator. A free
  /// frame is removed from the allocator. A frame of the kernel's own allocator must have been
  /// allocated there by the caller, and returns there when it is freed. The frame's contents do not
  /// change.
  ///
  /// - Throws: `notAligned`, `outOfBounds`, `inUse`, `unique` or `inTransition`; `metadata` is then
  ///   destroyed.
  public init(
    claiming address: PhysicalAddress, metadata: consuming Metadata
  ) throws(TesseraError) {
    let slot = try FrameTable.slot(at: address)
    try FrameAllocator.claim(slot)
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    slot.publishShared()
    // SAFETY: the first reference is this handle's.
    unsafe self.init(adopting: slot)
  }

  /// The metadata, which all owners share.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: this handle's reference keeps the metadata initialized and unchanged.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
  }
}

extension Frame where Metadata == AnyMetadata {
  /// Adds a reference to the frame at `address`, which is in use.
  ///
  /// - Throws: `notAligned`, `outOfBounds`, `unused`, `inTransition` or `unique`.
  public init(sharing address: PhysicalAddress) throws(TesseraError) {
    let slot = try FrameTable.slot(at: address)
    try slot.acquire()
    // SAFETY: `acquire` added the reference, and any metadata is allowed.
    unsafe self.init(adopting: slot)
  }
}
