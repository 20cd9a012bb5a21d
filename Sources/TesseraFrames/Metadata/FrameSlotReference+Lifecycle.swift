internal import TesseraHardware

extension FrameSlotReference {
  /// Stores `metadata` and its kind in a slot that the caller alone has.
  ///
  /// `allocated` says that the frame goes back to the allocator when it is retired.
  @inline(__always)
  package func initialize<Metadata: FrameMetadata & ~Copyable>(
    _ metadata: consuming Metadata, allocated: Bool
  ) {
    require(
      MemoryLayout<Metadata>.size <= FrameSlot.storageByteCount,
      "frame metadata must fit in the 40 bytes of its slot")
    require(MemoryLayout<Metadata>.alignment <= 16, "frame metadata is aligned to at most 16 bytes")
    // SAFETY: the caller alone has the frame, its storage is uninitialised, and the metadata fits.
    unsafe storage(as: Metadata.self).initialize(to: metadata)
    let kind = FrameKind.of(Metadata.self)
    setKind(allocated ? kind.allocated : kind)
  }

  /// Destroys the metadata of a frame that the caller alone has, and says of what kind it was.
  @inline(__always) @discardableResult
  package func destroyMetadata() -> FrameKind {
    let kind = self.kind
    guard kind.hasDestructor else { return kind }
    // SAFETY: the kind was set together with the metadata that its destructor destroys.
    unsafe kind.destructor(storage(as: UInt8.self))
    return kind
  }

  /// Unmakes a frame whose last owner just let go, and gives it back to where it came from.
  ///
  /// The count is `busy` or `unique`, and the caller alone has the frame.
  @inline(__always)
  package func retire() {
    guard kind.isTriviallyFreed else { return retireSlow() }
    FrameAllocator.freeSlot(self)
  }

  /// As `retire`, of whatever frame. Apart, because what large frames and destructors need would
  /// cost every owner's last step the saving of registers.
  @inline(never)
  private func retireSlow() { free(of: destroyMetadata()) }

  /// Gives back a frame that was of `kind`, whose metadata is destroyed. As `retire`.
  @inline(never)
  func free(of kind: FrameKind) {
    if kind.size != .fourKiB {
      freeCompound(kind.size)
    } else if kind.isAllocated {
      FrameAllocator.freeSlot(self)
    } else {
      Processor.noteFrameFree(at: address, byteCount: PageSize.fourKiB.byteCount)
      makeUnowned(as: .none)
    }
  }

  /// Makes the frame nobody's. The caller alone has it, and its metadata is destroyed.
  package func makeUnowned() { makeUnowned(as: kind.isAllocated ? .plain : .none) }

  /// As `makeUnowned()`, of a frame that is known to be the allocator's (`plain`) or not (`none`).
  @inline(__always)
  package func makeUnowned(as kind: FrameKind) {
    setKind(kind)
    setCount(ReferenceCount.unused)
  }

  /// Puts the frame to a use that never ends. The caller runs alone.
  func makePermanent(_ usage: FrameUsage) {
    initialize(PermanentUse(), allocated: false)
    setKind(kind.used(for: usage))
    setCount(ReferenceCount.maximum)
  }
}

/// The metadata of frames that are in use from the start and for good.
public struct PermanentUse: FrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor { { unsafe PermanentUse.destroy(at: $0) } }
  public static var hasDestructor: Bool { false }
}
