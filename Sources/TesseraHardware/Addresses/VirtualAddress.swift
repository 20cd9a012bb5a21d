/// The address of a byte as a program names it, before translation.
///
/// Any 64-bit value is an address; `isCanonical` says whether the processor accepts it.
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
  /// Whether the processor translates the address instead of faulting on it.
  @inline(__always)
  public var isCanonical: Bool { isCanonical(in: .current) }

  /// Whether all bits that `mode` does not translate equal the highest bit that it does.
  ///
  /// Intel SDM Vol. 1, "Canonical Addressing".
  @inline(__always)
  package func isCanonical(in mode: PagingMode) -> Bool {
    let ignored = 64 &- mode.virtualAddressWidth
    let signed = Int64(bitPattern: rawValue)
    return (signed &<< Int64(ignored)) &>> Int64(ignored) == signed
  }

  /// Whether this is a multiple of `alignment` bytes, a power of two.
  @inline(__always)
  public func isAligned(to alignment: UInt64) -> Bool { rawValue & (alignment &- 1) == 0 }

  @inline(__always)
  public func isAligned(to size: PageSize) -> Bool { isAligned(to: size.byteCount) }

  /// The last multiple of `alignment` bytes, a power of two, that is not after this.
  @inline(__always)
  public func alignedDown(to alignment: UInt64) -> VirtualAddress {
    VirtualAddress(rawValue & ~(alignment &- 1))
  }

  /// The address `byteCount` bytes further on, or nil if that is 2^64 or more.
  ///
  /// Crosses the gap between the canonical halves like any other addresses.
  @inline(__always)
  public func advanced(byChecked byteCount: UInt64) -> VirtualAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(byteCount)
    return overflow ? nil : VirtualAddress(sum)
  }

  /// The number of bytes from `start` to here. Traps if `start` is further on.
  @inline(__always)
  public func byteCount(from start: VirtualAddress) -> UInt64 {
    require(start <= self, "a virtual range ends before it starts")
    return rawValue &- start.rawValue
  }

  /// Which of the 512 entries of a table at `level` translates the address.
  @inline(__always)
  public func index(at level: PagingLevel) -> Int {
    Int(truncatingIfNeeded: rawValue &>> level.shift & 511)
  }

  /// How many bytes into its page of `size` the address lies.
  @inline(__always)
  public func offset(in size: PageSize) -> UInt64 { rawValue & (size.byteCount &- 1) }
}
