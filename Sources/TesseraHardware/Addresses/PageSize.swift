/// The size of a page, which is the size of the frame that it maps.
///
/// Intel SDM Vol. 3A, "Paging", "4-Level Paging and 5-Level Paging".
@frozen
public enum PageSize: UInt8, Comparable, Sendable {
  case fourKiB = 0
  case twoMiB = 1
  case oneGiB = 2

  @inline(__always)
  public static func < (left: PageSize, right: PageSize) -> Bool { left.rawValue < right.rawValue }

  @inline(__always)
  public var byteCount: UInt64 { 1 << shift }

  /// The base-two logarithm of the size in bytes.
  @inline(__always)
  public var shift: UInt64 { 12 &+ 9 &* UInt64(rawValue) }

  /// The size in 4 KiB frames.
  @inline(__always)
  public var frameCount: UInt64 { 1 << (9 &* UInt64(rawValue)) }
}
