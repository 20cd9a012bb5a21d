/// A virtual address.
///
/// Any 64-bit value is one; the processor only translates those that are canonical.
@frozen
public struct VirtualAddress: Comparable, Sendable {
  public let rawValue: UInt64

  @inline(__always)
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  @inline(__always)
  public static func < (left: VirtualAddress, right: VirtualAddress) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension VirtualAddress {
  /// Returns whether the address is a multiple of `alignment`, a power of two.
  @inline(__always)
  public func isAligned(to alignment: UInt64) -> Bool { rawValue & (alignment &- 1) == 0 }

  @inline(__always)
  public func isAligned(to size: PageSize) -> Bool { isAligned(to: size.byteCount) }

  /// Returns the address rounded down to a multiple of `alignment`, a power of two.
  @inline(__always)
  public func alignedDown(to alignment: UInt64) -> VirtualAddress {
    VirtualAddress(rawValue & ~(alignment &- 1))
  }

  /// Returns the address rounded up to a multiple of `alignment`, a power of two, or nil if that is
  /// 2^64 or more.
  @inline(__always)
  public func alignedUp(to alignment: UInt64) -> VirtualAddress? {
    advanced(byChecked: alignment &- 1)?.alignedDown(to: alignment)
  }

  /// Returns the address plus `byteCount`, or nil if that is 2^64 or more.
  ///
  /// The sum need not be canonical.
  @inline(__always)
  public func advanced(byChecked byteCount: UInt64) -> VirtualAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(byteCount)
    return overflow ? nil : VirtualAddress(sum)
  }

  /// Returns the number of bytes from `start` to this address. Panics if `start` is higher.
  @inline(__always)
  public func byteCount(from start: VirtualAddress) -> UInt64 {
    require(start <= self, "virtual range ends before it starts")
    return rawValue &- start.rawValue
  }

  /// Returns the index, 0 to 511, of the entry that translates the address in a table at `level`.
  @inline(__always)
  public func index(at level: PagingLevel) -> Int {
    Int(truncatingIfNeeded: rawValue &>> level.shift & 511)
  }

  /// Returns the offset of the address in its page of `size`, in bytes.
  @inline(__always)
  public func offset(in size: PageSize) -> UInt64 { rawValue & (size.byteCount &- 1) }
}
