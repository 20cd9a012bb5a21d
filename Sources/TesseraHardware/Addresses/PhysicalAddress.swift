/// A physical address, or the end of a range of them.
///
/// At most 2^52: an x86-64 processor has at most 52 physical address bits (Intel SDM Vol. 3A,
/// "Enumeration of Paging Features by CPUID"). The limit itself is a value so that it can end a
/// range.
@frozen
public struct PhysicalAddress: Comparable, Sendable {
  public let rawValue: UInt64

  /// Creates the address `rawValue`. Panics if it is above 2^52.
  @inline(__always)
  public init(_ rawValue: UInt64) {
    require(rawValue <= Self.limit.rawValue, "physical address is above 2^52")
    self.rawValue = rawValue
  }

  /// Creates the address `rawValue`, or returns nil if it is above 2^52.
  @inline(__always)
  public init?(exactly rawValue: UInt64) {
    guard rawValue <= Self.limit.rawValue else { return nil }
    self.rawValue = rawValue
  }

  /// Creates the address `rawValue` without a check.
  ///
  /// - Precondition: `rawValue` is at most 2^52.
  @inline(__always)
  package init(unchecked rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The address of the first byte.
  public static var zero: PhysicalAddress { PhysicalAddress(unchecked: 0) }

  /// The end of all physical memory, 2^52.
  public static var limit: PhysicalAddress { PhysicalAddress(unchecked: 1 << 52) }

  @inline(__always)
  public static func < (left: PhysicalAddress, right: PhysicalAddress) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension PhysicalAddress {
  /// Returns the address plus `byteCount`, or nil if that is above 2^52.
  @inline(__always)
  public func advanced(byChecked byteCount: UInt64) -> PhysicalAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(byteCount)
    return overflow ? nil : PhysicalAddress(exactly: sum)
  }

  /// Returns the address plus `byteCount`. Panics if that is above 2^52.
  @inline(__always)
  public static func + (address: PhysicalAddress, byteCount: UInt64) -> PhysicalAddress {
    guard let sum = address.advanced(byChecked: byteCount) else {
      panic("physical address was advanced past 2^52", address)
    }
    return sum
  }

  /// Returns the number of bytes from `start` to this address. Panics if `start` is higher.
  @inline(__always)
  public func byteCount(from start: PhysicalAddress) -> UInt64 {
    require(start <= self, "physical range ends before it starts", self)
    return rawValue &- start.rawValue
  }

  /// Returns whether the address is a multiple of `alignment`, a power of two.
  @inline(__always)
  public func isAligned(to alignment: UInt64) -> Bool {
    rawValue & (alignment &- 1) == 0
  }

  @inline(__always)
  public func isAligned(to size: PageSize) -> Bool { isAligned(to: size.byteCount) }

  /// Returns the address rounded down to a multiple of `alignment`, a power of two.
  @inline(__always)
  public func alignedDown(to alignment: UInt64) -> PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & ~(alignment &- 1))
  }

  /// Returns the address rounded up to a multiple of `alignment`.
  ///
  /// `alignment` is a power of two up to 2^52, so the result is at most 2^52 too.
  @inline(__always)
  public func alignedUp(to alignment: UInt64) -> PhysicalAddress {
    PhysicalAddress(unchecked: (rawValue &+ (alignment &- 1)) & ~(alignment &- 1))
  }

  /// The number of the 4 KiB frame that contains the address, counted from zero.
  @inline(__always)
  public var frameNumber: UInt64 { rawValue >> 12 }
}
