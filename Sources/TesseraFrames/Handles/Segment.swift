public import TesseraHardware

/// A handle to contiguous frames: one reference to each, dropped when the segment is destroyed.
///
/// Frames that are left without an owner are freed together. A segment of `AnyMetadata` or
/// `AnyUntypedMetadata` may contain frames of different kinds.
@frozen
public struct Segment<Metadata: ~Copyable>: ~Copyable, Sendable {
  /// The slot of the first frame.
  package var first: FrameSlotReference

  /// The number of frames. Zero only after an iteration by `next()`.
  public package(set) var frameCount: Int

  /// Adopts one reference to each of `frameCount` contiguous frames.
  ///
  /// The caller holds the references, to frames whose metadata is a `Metadata`, and relinquishes
  /// them.
  @inline(__always)
  @unsafe package init(adopting first: FrameSlotReference, frameCount: Int) {
    self.first = first
    self.frameCount = frameCount
  }

  /// The address of the first byte.
  public var address: PhysicalAddress { first.address }

  /// The size of all frames together, in bytes.
  public var byteCount: UInt64 { UInt64(frameCount) * PageSize.fourKiB.byteCount }

  /// The address after the last byte.
  public var end: PhysicalAddress { address + byteCount }

  deinit { FrameRun(first, frameCount: frameCount).dropReferences() }
}

/// A segment of frames of any kind.
public typealias AnySegment = Segment<AnyMetadata>

/// A segment of frames of plain memory.
public typealias UntypedSegment = Segment<AnyUntypedMetadata>

extension Segment where Metadata: ~Copyable {
  /// Converts the handle of one frame.
  public init(_ frame: consuming Frame<Metadata>) {
    // SAFETY: the handle's reference moves over.
    unsafe self.init(adopting: frame.relinquishSlot(), frameCount: 1)
  }

  /// Removes and returns the first frame, or nil if none is left.
  public mutating func next() -> Frame<Metadata>? {
    guard frameCount > 0 else { return nil }
    // SAFETY: the segment's reference to this frame moves over, because the segment shrinks.
    let frame = unsafe Frame<Metadata>(adopting: first)
    frameCount -= 1
    if frameCount > 0 { first = first.advanced(by: 1) }
    return frame
  }

  /// Returns a view of the frame at `index`.
  ///
  /// - Precondition: `index` is in `0..<frameCount`.
  @_lifetime(borrow self)
  public borrowing func borrowFrame(at index: Int) -> BorrowedFrame<Metadata> {
    require(index >= 0 && index < frameCount, "frame index is out of range", address)
    return BorrowedFrame(of: first.advanced(by: index))
  }

  /// Calls `body` with a view of the frame at `index`, and returns what it returns. Unlike
  /// `borrowFrame(at:)`, for a segment that is a `let` or a property of a class, too.
  ///
  /// - Precondition: `index` is in `0..<frameCount`.
  @discardableResult
  public borrowing func withFrame<Result: ~Copyable, Failure: Error>(
    at index: Int, _ body: (borrowing BorrowedFrame<Metadata>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(borrowFrame(at: index))
  }

  /// Splits the segment `byteCount` bytes after its start.
  ///
  /// - Precondition: `byteCount` is a multiple of 4096, and leaves frames on both sides.
  public consuming func split(atByte byteCount: UInt64) -> SplitSegment<Metadata> {
    require(
      byteCount % PageSize.fourKiB.byteCount == 0,
      "split a segment inside a frame", address)
    require(
      byteCount > 0 && byteCount < self.byteCount, "split a segment at or beyond its bounds",
      address)
    let count = frameCount
    let lowCount = Int(byteCount / PageSize.fourKiB.byteCount)
    let low = relinquishFirst()
    // SAFETY: each reference of the segment moves to one of the two.
    return unsafe SplitSegment(
      low: Segment(adopting: low, frameCount: lowCount),
      high: Segment(adopting: low.advanced(by: lowCount), frameCount: count - lowCount))
  }

  /// Returns another handle to the frames in a range of byte offsets.
  ///
  /// - Precondition: The range is not empty and within the segment, and its bounds are multiples of
  ///   4096.
  public borrowing func slice(_ range: Range<UInt64>) -> Segment {
    require(
      (range.lowerBound | range.upperBound) % PageSize.fourKiB.byteCount == 0,
      "sliced a segment inside a frame", address)
    require(
      !range.isEmpty && range.upperBound <= byteCount, "slice is empty or out of range", address)
    let start = first.advanced(by: Int(range.lowerBound / PageSize.fourKiB.byteCount))
    let count = Int((range.upperBound - range.lowerBound) / PageSize.fourKiB.byteCount)
    for index in 0..<count { start.advanced(by: index).share() }
    // SAFETY: the loop added one reference to each frame.
    return unsafe Segment(adopting: start, frameCount: count)
  }

  /// Returns another handle to the same frames.
  public borrowing func share() -> Segment { slice(0..<byteCount) }

  @inline(__always)
  package consuming func relinquishFirst() -> FrameSlotReference {
    let first = first
    discard self
    return first
  }
}

/// The two parts of a split segment.
@frozen
public struct SplitSegment<Metadata: ~Copyable>: ~Copyable, Sendable {
  public var low: Segment<Metadata>
  public var high: Segment<Metadata>
}
