/// The result of converting a handle to one of another kind.
@frozen
public enum Conversion<Converted: ~Copyable, Original: ~Copyable>: ~Copyable {
  /// The handle of the requested kind, with the same reference.
  case converted(Converted)
  /// The original handle, because the frame is not of that kind.
  case unchanged(Original)
}

extension Conversion where Converted: ~Copyable, Original: ~Copyable {
  /// Returns the converted handle, or destroys the original and returns nil.
  @inline(__always)
  public consuming func get() -> Converted? {
    switch consume self {
    case .converted(let converted): return converted
    case .unchanged: return nil
    }
  }
}

extension Frame where Metadata: FrameMetadata & ~Copyable {
  /// Converts to a handle without the type of its metadata.
  @inline(__always)
  public consuming func erased() -> AnyFrame {
    // SAFETY: the reference moves over, and any metadata is allowed.
    unsafe AnyFrame(adopting: relinquishSlot())
  }

  /// Converts to a unique handle, whose metadata can be changed, if there are no other owners.
  public consuming func unique() -> Conversion<UniqueFrame<Metadata>, Frame<Metadata>> {
    guard slot.makeUnique() else { return .unchanged(self) }
    // SAFETY: `makeUnique` made this reference the unique one.
    return .converted(unsafe UniqueFrame(adopting: relinquishSlot()))
  }
}

extension Frame where Metadata: UntypedFrameMetadata & ~Copyable {
  /// Converts to a handle to plain memory.
  @inline(__always)
  public consuming func untyped() -> UntypedFrame {
    // SAFETY: the reference moves over, and `Metadata` is untyped.
    unsafe UntypedFrame(adopting: relinquishSlot())
  }
}

extension Frame where Metadata == AnyUntypedMetadata {
  /// Converts to a handle that is not known to be plain memory.
  @inline(__always)
  public consuming func erased() -> AnyFrame {
    // SAFETY: the reference moves over, and any metadata is allowed.
    unsafe AnyFrame(adopting: relinquishSlot())
  }

  /// Converts to a handle with metadata of type `Wanted`, if the frame has that.
  public consuming func typed<Wanted: UntypedFrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Frame<Wanted>, UntypedFrame> {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return .unchanged(self) }
    // SAFETY: the reference moves over, and the kind guarantees that the metadata is a `Wanted`.
    return .converted(unsafe Frame<Wanted>(adopting: relinquishSlot()))
  }
}

extension Frame where Metadata == AnyMetadata {
  /// Converts to a handle with metadata of type `Wanted`, if the frame has that.
  public consuming func typed<Wanted: FrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Frame<Wanted>, AnyFrame> {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return .unchanged(self) }
    // SAFETY: the reference moves over, and the kind guarantees that the metadata is a `Wanted`.
    return .converted(unsafe Frame<Wanted>(adopting: relinquishSlot()))
  }

  /// Converts to a handle to plain memory, if the frame is that.
  public consuming func untyped() -> Conversion<UntypedFrame, AnyFrame> {
    guard slot.kind.isUntyped else { return .unchanged(self) }
    // SAFETY: the reference moves over, and the kind guarantees that the metadata is untyped.
    return .converted(unsafe UntypedFrame(adopting: relinquishSlot()))
  }

  /// Calls `body` with the metadata if it is a `Wanted`; otherwise returns nil.
  public borrowing func withMetadata<Wanted: FrameMetadata & ~Copyable, Result, Failure: Error>(
    as _: Wanted.Type, _ body: (borrowing Wanted) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard slot.kind.hasSameMetadata(as: .of(Wanted.self)) else { return nil }
    // SAFETY: the kind guarantees that the metadata is a `Wanted`, and this handle keeps it
    // initialized.
    return try unsafe body(slot.storage(as: Wanted.self).pointee)
  }
}
