internal import TesseraHardware

extension FrameSlotReference {
  /// Stores `metadata` and its kind in the slot of a frame that only the caller owns.
  ///
  /// `allocated` is whether `retire` returns the frame to the allocator.
  @inline(__always)
  package func initialize<Metadata: FrameMetadata & ~Copyable>(
    _ metadata: consuming Metadata, allocated: Bool
  ) {
    require(
      MemoryLayout<Metadata>.size <= FrameSlot.storageByteCount,
      "frame metadata is larger than 40 bytes")
    require(
      MemoryLayout<Metadata>.alignment <= 16, "frame metadata is aligned to more than 16 bytes")
    // SAFETY: only the caller owns the frame, its storage is uninitialized, and the metadata fits.
    unsafe storage(as: Metadata.self).initialize(to: metadata)
    let kind = FrameKind.of(Metadata.self)
    setKind(allocated ? kind.allocated : kind)
  }

  /// Destroys the metadata of a frame that only the caller owns. Returns the frame's kind.
  @inline(__always) @discardableResult
  package func destroyMetadata() -> FrameKind {
    let kind = self.kind
    guard kind.hasDestructor else { return kind }
    // SAFETY: the kind was set together with the metadata that its destructor destroys.
    unsafe kind.destructor(storage(as: UInt8.self))
    return kind
  }

  /// Ends construction: the frame has one owner, and its metadata no longer changes.
  @inline(__always)
  package func publishShared() { setCount(1) }

  /// Ends construction: the frame has one owner, who does not share it.
  @inline(__always)
  package func publishUnique() { setCount(ReferenceCount.unique) }

  /// Leaves the frame without an owner. Only the caller owns it, and its metadata is destroyed.
  package func makeUnowned() { makeUnowned(as: kind.isAllocated ? .plain : .none) }

  /// Like `makeUnowned()`, with the kind that the frame has afterwards.
  @inline(__always)
  package func makeUnowned(as kind: FrameKind) {
    setKind(kind)
    setCount(ReferenceCount.unused)
  }

  /// Puts the frame to a use that never ends. No other processor runs.
  func makePermanent(_ usage: FrameUsage) {
    initialize(PermanentUse(), allocated: false)
    setKind(kind.used(for: usage))
    setCount(ReferenceCount.maximum)
  }
}

/// The metadata of frames that are in use from start-up on and are never freed.
public struct PermanentUse: FrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor { { unsafe PermanentUse.destroy(at: $0) } }
  public static var hasDestructor: Bool { false }
}
