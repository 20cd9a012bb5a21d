public import TesseraHardware

/// The constraints of an allocation, besides its number of frames.
@frozen
public struct FrameRequest: Sendable {
  /// Whether the memory is filled with zeros. Otherwise it has the contents that its last owner
  /// left.
  public let isZeroed: Bool

  /// The address at or below which the memory ends, for devices that cannot address all of it.
  public let limit: PhysicalAddress

  /// The size of the frame. Contiguous allocations consist of frames of 4 KiB.
  public let size: PageSize

  /// The alignment of the first address in bytes: a power of two, at least 4096.
  public let alignment: UInt64

  /// - Precondition: `alignment` is a power of two.
  @inline(__always)
  public init(
    isZeroed: Bool = true, below limit: PhysicalAddress = .limit, alignment: UInt64 = 4096,
    size: PageSize = .fourKiB
  ) {
    require(alignment.nonzeroBitCount == 1, "alignment is not a power of two")
    self.isZeroed = isZeroed
    self.limit = limit
    self.alignment = max(alignment, size.byteCount)
    self.size = size
  }

  /// Uninitialized memory, for callers that overwrite all of it.
  @inline(__always)
  public static var uninitialized: FrameRequest { FrameRequest(isZeroed: false) }

  /// A Boolean value indicating whether any frame will do, so that the processor's cache can serve
  /// the request.
  @inline(__always)
  var isForAnyFrame: Bool { limit == .limit && alignment <= PageSize.fourKiB.byteCount }
}
