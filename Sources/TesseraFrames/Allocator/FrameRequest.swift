public import TesseraHardware

/// What an allocation asks for beside a number of frames.
@frozen
public struct FrameRequest: Sendable {
  /// Whether the memory must hold zeros. If not, it holds whatever its last owner left there.
  public let isZeroed: Bool

  /// Where the memory must end: for devices that cannot reach all of it.
  public let limit: PhysicalAddress

  /// What size of frame is wanted. Runs are of frames of 4 KiB.
  public let size: PageSize

  /// What the first address must be a multiple of: a power of two, in bytes, at least 4096.
  public let alignment: UInt64

  /// Traps unless `alignment` is a power of two.
  @inline(__always)
  public init(
    isZeroed: Bool = true, below limit: PhysicalAddress = .limit, alignment: UInt64 = 4096,
    size: PageSize = .fourKiB
  ) {
    require(alignment.nonzeroBitCount == 1, "an alignment must be a power of two")
    self.isZeroed = isZeroed
    self.limit = limit
    self.alignment = max(alignment, size.byteCount)
    self.size = size
  }

  /// Memory as it comes, for who writes all of it anyway.
  @inline(__always)
  public static var uninitialized: FrameRequest { FrameRequest(isZeroed: false) }

  /// Whether any frame will do, so that the processor's cache can serve the request.
  @inline(__always)
  var isForAnyFrame: Bool { limit == .limit && alignment <= PageSize.fourKiB.byteCount }
}
