/// How many bytes one leaf entry translates, and so the sizes in which frames come.
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

  /// The logarithm of the size to the base two.
  @inline(__always)
  public var shift: UInt64 { 12 &+ 9 &* UInt64(rawValue) }

  /// How many 4 KiB frames are this size.
  @inline(__always)
  public var frameCount: UInt64 { 1 << (9 &* UInt64(rawValue)) }
}
