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
  ) throws(TesseraError) {
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
  ) throws(TesseraError) {
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
