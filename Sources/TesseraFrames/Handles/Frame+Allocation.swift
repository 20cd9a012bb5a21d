public import TesseraHardware

extension Frame where Metadata: FrameMetadata & ~Copyable {
  /// Allocates a frame and stores `metadata` in its slot.
  ///
  /// The frame holds zeros, unless `request` says otherwise. Throws `outOfFrames`; `metadata` is
  /// then destroyed.
  @inline(__always)
  public init(
    allocating metadata: consuming Metadata, _ request: FrameRequest = FrameRequest()
  ) throws(FrameError) {
    let slot = try FrameAllocator.allocateSlot(request)
    slot.initialize(metadata, allocated: true)
    if request.size != .fourKiB { slot.makeCompound(request.size) }
    slot.setCount(1)
    // SAFETY: the count of one is this handle's.
    unsafe self.init(adopting: slot)
  }

  /// Claims the frame at `address`, which nobody owns, and stores `metadata` in its slot.
  ///
  /// For memory that must be at a certain place, and for memory that is kept back from the
  /// allocator. A frame that waits in the allocator is taken out of it. A frame of the kernel's own
  /// allocator must be the caller's from there; it goes back there in the end. Throws `notAligned`,
  /// `outOfBounds`, `inUse`, `unique` or `busy`; `metadata` is then destroyed. The frame's bytes
  /// are as they were.
  public init(
    claiming address: PhysicalAddress, metadata: consuming Metadata
  ) throws(FrameError) {
    let slot = try FrameTable.slot(at: address)
    try FrameAllocator.claim(slot)
    slot.initialize(metadata, allocated: slot.kind.isAllocated)
    slot.setCount(1)
    // SAFETY: the count of one is this handle's.
    unsafe self.init(adopting: slot)
  }

  /// The metadata, which every owner sees.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: this handle's count keeps the metadata initialised and unchanged.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
  }
}

extension Frame where Metadata == AnyMetadata {
  /// Shares the frame at `address`, which somebody has in use.
  ///
  /// Throws `notAligned`, `outOfBounds`, `unused`, `busy` or `unique`.
  public init(sharing address: PhysicalAddress) throws(FrameError) {
    let slot = try FrameTable.slot(at: address)
    try slot.acquire()
    // SAFETY: `take` added the count, and any metadata will do.
    unsafe self.init(adopting: slot)
  }
}
