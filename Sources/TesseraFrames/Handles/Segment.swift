public import TesseraHardware

/// One owner's share of each of a run of frames that follow each other in physical memory.
///
/// Holds one count of every frame. Destroying it lets go of all; frames of which it was the last
/// owner go back as one block. A segment of `AnyMetadata` or `AnyUntypedMetadata` may mix kinds.
@frozen
public struct Segment<Metadata: ~Copyable>: ~Copyable, Sendable {
  /// The slot of the first frame that has not been taken off.
  package var first: FrameSlotReference

  /// How many frames are left. Zero only at the end of an iteration.
  public package(set) var frameCount: Int

  /// Takes over one count of each of `frameCount` frames from `first` on.
  ///
  /// The caller holds those counts, for frames whose metadata is a `Metadata`, and gives them up.
  @inline(__always)
  @unsafe package init(adopting first: FrameSlotReference, frameCount: Int) {
    self.first = first
    self.frameCount = frameCount
  }

  /// The first byte.
  public var address: PhysicalAddress { first.address }

  /// How many bytes the frames have together.
  public var byteCount: UInt64 { UInt64(frameCount) * PageSize.fourKiB.byteCount }

  /// The byte after the last.
  public var end: PhysicalAddress { address + byteCount }

  deinit { FrameRun(first, frameCount: frameCount).dropReferences() }
}

/// A run of frames of any kinds.
public typealias AnySegment = Segment<AnyMetadata>

/// A run of frames of plain memory.
public typealias UntypedSegment = Segment<AnyUntypedMetadata>

extension Segment where Metadata: ~Copyable {
  /// A segment of the one frame that `frame` holds.
  public init(_ frame: consuming Frame<Metadata>) {
    // SAFETY: the handle's count moves over.
    unsafe self.init(adopting: frame.relinquishSlot(), frameCount: 1)
  }

  /// Takes the first frame off, or returns nil when none is left.
  public mutating func next() -> Frame<Metadata>? {
    guard frameCount > 0 else { return nil }
    // SAFETY: the segment's count of this frame moves over, because the segment shrinks.
    let frame = unsafe Frame<Metadata>(adopting: first)
    frameCount -= 1
    if frameCount > 0 { first = first.advanced(by: 1) }
    return frame
  }

  /// The frame at `index`, counted from the first that is left. Traps if there is none.
  @_lifetime(borrow self)
  public borrowing func borrowFrame(at index: Int) -> BorrowedFrame<Metadata> {
    require(index >= 0 && index < frameCount, "a frame index lies beyond its segment", address)
    return BorrowedFrame(of: first.advanced(by: index))
  }

  /// Two segments that meet `byteCount` bytes after the start.
  ///
  /// Traps unless `byteCount` is a multiple of 4096 that leaves frames on both sides.
  public consuming func split(atByte byteCount: UInt64) -> SplitSegment<Metadata> {
    require(
      byteCount % PageSize.fourKiB.byteCount == 0,
      "a segment is split at a multiple of the frame size", address)
    require(
      byteCount > 0 && byteCount < self.byteCount, "a segment is split inside itself", address)
    let count = frameCount
    let lowCount = Int(byteCount / PageSize.fourKiB.byteCount)
    let low = relinquishFirst()
    // SAFETY: each count of the segment moves into exactly one of the two.
    return unsafe SplitSegment(
      low: Segment(adopting: low, frameCount: lowCount),
      high: Segment(adopting: low.advanced(by: lowCount), frameCount: count - lowCount))
  }

  /// Another handle to the frames between two byte offsets.
  ///
  /// Traps unless both are multiples of 4096 and the range is not empty and inside the segment.
  public borrowing func slice(_ range: Range<UInt64>) -> Segment {
    require(
      (range.lowerBound | range.upperBound) % PageSize.fourKiB.byteCount == 0,
      "a segment is sliced at multiples of the frame size", address)
    require(
      !range.isEmpty && range.upperBound <= byteCount, "a slice lies beyond its segment", address)
    let start = first.advanced(by: Int(range.lowerBound / PageSize.fourKiB.byteCount))
    let count = Int((range.upperBound - range.lowerBound) / PageSize.fourKiB.byteCount)
    for index in 0..<count { start.advanced(by: index).share() }
    // SAFETY: the loop added one count of each frame.
    return unsafe Segment(adopting: start, frameCount: count)
  }

  /// Another handle to the same frames.
  public borrowing func share() -> Segment { slice(0..<byteCount) }

  @inline(__always)
  package consuming func relinquishFirst() -> FrameSlotReference {
    let first = first
    discard self
    return first
  }
}

/// The two parts of a segment that was split.
@frozen
public struct SplitSegment<Metadata: ~Copyable>: ~Copyable, Sendable {
  public var low: Segment<Metadata>
  public var high: Segment<Metadata>
}
