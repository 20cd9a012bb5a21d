public import TesseraHardware

extension Segment where Metadata: FrameMetadata & ~Copyable {
  /// Allocates `frameCount` frames that follow each other, with the metadata that `metadata` makes
  /// for each address.
  ///
  /// The frames hold zeros, unless `request` says otherwise. Throws `empty` for no frames, and
  /// `outOfFrames`.
  public init(
    allocating frameCount: Int, _ request: FrameRequest = FrameRequest(),
    metadata: (PhysicalAddress) -> Metadata
  ) throws(FrameError) {
    let first = try FrameAllocator.allocateRun(frameCount, request)
    for index in 0..<frameCount {
      let slot = first.advanced(by: index)
      slot.initialize(metadata(slot.address), allocated: true)
      slot.setCount(1)
    }
    // SAFETY: the loop gave each frame the count that the segment now holds.
    unsafe self.init(adopting: first, frameCount: frameCount)
  }

  /// Claims the frames from `start` up to `end`, which nobody owns, with the metadata that
  /// `metadata` makes for each address.
  ///
  /// Throws `empty`, `notAligned`, `outOfBounds`, or why the first frame that could not be claimed
  /// is not to be had; the frames before it are then as they were, and no metadata was made.
  public init(
    claiming range: Range<PhysicalAddress>, metadata: (PhysicalAddress) -> Metadata
  ) throws(FrameError) {
    guard range.lowerBound.isAligned(to: .fourKiB), range.upperBound.isAligned(to: .fourKiB) else {
      throw .notAligned
    }
    guard range.upperBound <= FrameTable.end else { throw .outOfBounds }
    guard !range.isEmpty else { throw .empty }
    let first = try FrameTable.slot(at: range.lowerBound)
    let total = Int(range.upperBound.frameNumber - range.lowerBound.frameNumber)
    try FrameAllocator.claim(run: first, frameCount: total)
    for index in 0..<total {
      let slot = first.advanced(by: index)
      slot.initialize(metadata(slot.address), allocated: slot.kind.isAllocated)
      slot.setCount(1)
    }
    // SAFETY: the loop gave each frame the count that the segment now holds.
    unsafe self.init(adopting: first, frameCount: total)
  }

  /// The same frames, without the type of their metadata.
  public consuming func erased() -> AnySegment {
    let count = frameCount
    // SAFETY: the counts move over; any metadata will do.
    return unsafe AnySegment(adopting: relinquishFirst(), frameCount: count)
  }

  /// Calls `body` with the metadata of the frame at `index`. Traps if there is none.
  public borrowing func withMetadata<Result, Failure: Error>(
    ofFrame index: Int, _ body: (borrowing Metadata) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    require(index >= 0 && index < frameCount, "a frame index lies beyond its segment", address)
    let slot = first.advanced(by: index)
    // SAFETY: the segment's count keeps the metadata initialised and unchanged.
    return try unsafe body(slot.storage(as: Metadata.self).pointee)
  }
}

extension Segment where Metadata: UntypedFrameMetadata & ~Copyable {
  /// The same frames, as plain memory.
  public consuming func untyped() -> UntypedSegment {
    let count = frameCount
    // SAFETY: the counts move over, and `Metadata` is untyped.
    return unsafe UntypedSegment(adopting: relinquishFirst(), frameCount: count)
  }
}

extension Segment where Metadata == AnyMetadata {
  /// The same frames with their metadata, if that is a `Wanted` in every one of them.
  public consuming func typed<Wanted: FrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Segment<Wanted>, AnySegment> {
    for index in 0..<frameCount {
      guard first.advanced(by: index).kind.hasSameMetadata(as: .of(Wanted.self)) else {
        return .unchanged(self)
      }
    }
    let count = frameCount
    // SAFETY: the counts move over, and every kind says that the metadata is a `Wanted`.
    return .converted(unsafe Segment<Wanted>(adopting: relinquishFirst(), frameCount: count))
  }
}
