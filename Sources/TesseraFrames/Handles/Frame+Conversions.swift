/// The outcome of turning a handle into one of another kind.
@frozen
public enum Conversion<Converted: ~Copyable, Original: ~Copyable>: ~Copyable {
  /// The same count, as the kind that was asked for.
  case converted(Converted)
  /// The handle as it was, because the frame is not of that kind.
  case unchanged(Original)
}

extension Conversion where Converted: ~Copyable, Original: ~Copyable {
  /// The converted handle, or nil, and then the original is destroyed.
  @inline(__always)
  public consuming func get() -> Converted? {
    switch consume self {
    case .converted(let converted): return converted
    case .unchanged: return nil
    }
  }
}

extension Frame where Metadata: FrameMetadata & ~Copyable {
  /// The same handle, without the type of its metadata.
  @inline(__always)
  public consuming func erased() -> AnyFrame {
    // SAFETY: the count moves over; any metadata will do.
    unsafe AnyFrame(adopting: relinquishSlot())
  }

  /// The same handle as the only one, if it is, with metadata that can be changed.
  public consuming func unique() -> Conversion<UniqueFrame<Metadata>, Frame<Metadata>> {
    guard slot.makeUnique() else { return .unchanged(self) }
    // SAFETY: `makeUnique` made this count the unique one.
    return .converted(unsafe UniqueFrame(adopting: relinquishSlot()))
  }
}

extension Frame where Metadata: UntypedFrameMetadata & ~Copyable {
  /// The same handle, as plain memory.
  @inline(__always)
  public consuming func untyped() -> UntypedFrame {
    // SAFETY: the count moves over, and `Metadata` is untyped.
    unsafe UntypedFrame(adopting: relinquishSlot())
  }
}

extension Frame where Metadata == AnyUntypedMetadata {
  /// The same handle, without the promise that it is plain memory.
  @inline(__always)
  public consuming func erased() -> AnyFrame {
    // SAFETY: the count moves over; any metadata will do.
    unsafe AnyFrame(adopting: relinquishSlot())
  }

  /// The same handle with its metadata, if that is a `Wanted`.
  public consuming func typed<Wanted: UntypedFrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Frame<Wanted>, UntypedFrame> {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return .unchanged(self) }
    // SAFETY: the count moves over, and the kind says that the metadata is a `Wanted`.
    return .converted(unsafe Frame<Wanted>(adopting: relinquishSlot()))
  }
}

extension Frame where Metadata == AnyMetadata {
  /// The same handle with its metadata, if that is a `Wanted`.
  public consuming func typed<Wanted: FrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Frame<Wanted>, AnyFrame> {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return .unchanged(self) }
    // SAFETY: the count moves over, and the kind says that the metadata is a `Wanted`.
    return .converted(unsafe Frame<Wanted>(adopting: relinquishSlot()))
  }

  /// The same handle as plain memory, if the frame is that.
  public consuming func untyped() -> Conversion<UntypedFrame, AnyFrame> {
    guard slot.kind.isUntyped else { return .unchanged(self) }
    // SAFETY: the count moves over, and the kind says that the metadata is untyped.
    return .converted(unsafe UntypedFrame(adopting: relinquishSlot()))
  }

  /// Calls `body` with the metadata if that is a `Wanted`; otherwise returns nil.
  public borrowing func withMetadata<Wanted: FrameMetadata & ~Copyable, Result, Failure: Error>(
    as _: Wanted.Type, _ body: (borrowing Wanted) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return nil }
    // SAFETY: the kind says that the metadata is a `Wanted`, and this handle's count keeps it.
    return try unsafe body(slot.storage(as: Wanted.self).pointee)
  }
}
