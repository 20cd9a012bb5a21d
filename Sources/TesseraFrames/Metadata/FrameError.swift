/// Why a frame cannot be allocated, claimed or shared.
///
/// When one is thrown nothing has changed. An address is checked in the order of the cases:
/// alignment, then bounds, then state.
public enum FrameError: Error, Equatable, Sendable {
  /// The address is not a multiple of the frame's size.
  case notAligned
  /// The address, or the end of the range, lies beyond the frames that have slots.
  case outOfBounds
  /// The frame already has owners.
  case inUse
  /// The frame has no owner that could share it.
  case unused
  /// The frame is being constructed or destroyed, or is in another processor's cache.
  case inTransition
  /// The frame has one owner, who does not share it.
  case unique
  /// There is no free memory that fits the request.
  case outOfFrames
  /// The number of frames requested is zero.
  case empty
}
