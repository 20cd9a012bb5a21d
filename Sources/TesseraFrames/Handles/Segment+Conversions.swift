extension Segment where Metadata: FrameMetadata & ~Copyable {
  /// Converts to a segment without the type of its metadata.
  public consuming func erased() -> AnySegment {
    let count = frameCount
    // SAFETY: the references move over, and any metadata is allowed.
    return unsafe AnySegment(adopting: relinquishFirst(), frameCount: count)
  }
}

extension Segment where Metadata: UntypedFrameMetadata & ~Copyable {
  /// Converts to a segment of plain memory.
  public consuming func untyped() -> UntypedSegment {
    let count = frameCount
    // SAFETY: the references move over, and `Metadata` is untyped.
    return unsafe UntypedSegment(adopting: relinquishFirst(), frameCount: count)
  }
}

extension Segment where Metadata == AnyUntypedMetadata {
  /// Converts to a segment that is not known to be plain memory.
  public consuming func erased() -> AnySegment {
    let count = frameCount
    // SAFETY: the references move over, and any metadata is allowed.
    return unsafe AnySegment(adopting: relinquishFirst(), frameCount: count)
  }

  /// Converts to a segment with metadata of type `Wanted`, if all frames have that.
  public consuming func typed<Wanted: UntypedFrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Segment<Wanted>, UntypedSegment> {
    guard allKinds(are: { $0.hasSameMetadata(as: .of(Wanted.self)) }) else {
      return .unchanged(self)
    }
    let count = frameCount
    // SAFETY: the references move over, and every kind guarantees that the metadata is a `Wanted`.
    return .converted(unsafe Segment<Wanted>(adopting: relinquishFirst(), frameCount: count))
  }
}

extension Segment where Metadata == AnyMetadata {
  /// Converts to a segment with metadata of type `Wanted`, if all frames have that.
  public consuming func typed<Wanted: FrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Segment<Wanted>, AnySegment> {
    guard allKinds(are: { $0.hasSameMetadata(as: .of(Wanted.self)) }) else {
      return .unchanged(self)
    }
    let count = frameCount
    // SAFETY: the references move over, and every kind guarantees that the metadata is a `Wanted`.
    return .converted(unsafe Segment<Wanted>(adopting: relinquishFirst(), frameCount: count))
  }

  /// Converts to a segment of plain memory, if all frames are that.
  public consuming func untyped() -> Conversion<UntypedSegment, AnySegment> {
    guard allKinds(are: { $0.isUntyped }) else { return .unchanged(self) }
    let count = frameCount
    // SAFETY: the references move over, and every kind guarantees that the metadata is untyped.
    return .converted(unsafe UntypedSegment(adopting: relinquishFirst(), frameCount: count))
  }
}

extension Segment where Metadata: ~Copyable {
  private borrowing func allKinds(are wanted: (FrameKind) -> Bool) -> Bool {
    for index in 0..<frameCount where !wanted(first.advanced(by: index).kind) { return false }
    return true
  }
}
