public import TesseraHardware

extension Segment where Metadata: FrameMetadata & ~Copyable {
  /// Allocates `frameCount` contiguous frames, with the metadata that `metadata` returns for the
  /// address of each.
  ///
  /// The frames are filled with zeros unless `request` specifies otherwise.
  ///
  /// - Throws: `empty` if `frameCount` is not positive, or `outOfFrames`.
  public init(
    allocating frameCount: Int, _ request: FrameRequest = FrameRequest(),
    metadata: (PhysicalAddress) -> Metadata
  ) throws(FrameError) {
    let first = try FrameAllocator.allocateRun(frameCount, request)
    for index in 0..<frameCount {
      let slot = first.advanced(by: index)
      slot.initialize(metadata(slot.address), allocated: true)
      slot.publishShared()
    }
    // SAFETY: the first reference to each frame is the segment's.
    unsafe self.init(adopting: first, frameCount: frameCount)
  }

  /// Claims the frames of `range`, which have no owner, with the metadata that `metadata` returns
  /// for the address of each.
  ///
  /// Claims all frames or none: on an error they are as before, and `metadata` was not called.
  ///
  /// - Throws: `notAligned`, `outOfBounds`, `empty`, or the error of the first frame that cannot be
  ///   claimed.
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
      slot.publishShared()
    }
    // SAFETY: the first reference to each frame is the segment's.
    unsafe self.init(adopting: first, frameCount: total)
  }

  /// Converts to a segment without the type of its metadata.
  public consuming func erased() -> AnySegment {
    let count = frameCount
    // SAFETY: the references move over, and any metadata is allowed.
    return unsafe AnySegment(adopting: relinquishFirst(), frameCount: count)
  }

  /// Calls `body` with the metadata of the frame at `index`.
  ///
  /// - Precondition: `index` is in `0..<frameCount`.
  public borrowing func withMetadata<Result, Failure: Error>(
    ofFrame index: Int, _ body: (borrowing Metadata) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    require(index >= 0 && index < frameCount, "frame index is out of range", address)
    let slot = first.advanced(by: index)
    // SAFETY: the segment's reference keeps the metadata initialized and unchanged.
    return try unsafe body(slot.storage(as: Metadata.self).pointee)
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

extension Segment where Metadata == AnyMetadata {
  /// Converts to a segment with metadata of type `Wanted`, if all frames have that.
  public consuming func typed<Wanted: FrameMetadata & ~Copyable>(
    as _: Wanted.Type
  ) -> Conversion<Segment<Wanted>, AnySegment> {
    for index in 0..<frameCount {
      guard first.advanced(by: index).kind.hasSameMetadata(as: .of(Wanted.self)) else {
        return .unchanged(self)
      }
    }
    let count = frameCount
    // SAFETY: the references move over, and every kind guarantees that the metadata is a `Wanted`.
    return .converted(unsafe Segment<Wanted>(adopting: relinquishFirst(), frameCount: count))
  }
}
