/// Why a frame cannot be had.
///
/// Whoever gets one of these has lost nothing, and nothing has changed. An address is looked at in
/// the order of the cases: alignment before bounds, bounds before state.
public enum FrameError: Error, Equatable, Sendable {
  /// The address is not a multiple of the frame's size.
  case notAligned
  /// The address, or the end of the range, lies beyond the frames that have slots.
  case outOfBounds
  /// The frame has owners already.
  case inUse
  /// The frame has no owner that could share it.
  case unused
  /// The frame is just being made or unmade, or another processor keeps it for its next allocation.
  case inTransition
  /// The frame has one owner who does not share it.
  case unique
  /// No memory is left that fits the request.
  case outOfFrames
  /// The request asks for no frames at all.
  case empty
}
