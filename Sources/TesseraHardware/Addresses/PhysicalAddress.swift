/// The address of a byte in physical memory, or of the byte after the last one.
///
/// At most 2^52: an x86-64 processor has at most 52 physical address bits (Intel SDM Vol. 3A,
/// "Enumeration of Paging Features by CPUID"). The limit itself is a value so that it can end a
/// range.
@frozen
public struct PhysicalAddress: Comparable, Sendable {
  public let rawValue: UInt64

  /// Traps if `rawValue` is above 2^52.
  @inline(__always)
  public init(_ rawValue: UInt64) {
    require(rawValue <= Self.limit.rawValue, "a physical address has at most 52 bits")
    self.rawValue = rawValue
  }

  /// The address `rawValue`, or nil if that is above 2^52.
  @inline(__always)
  public init?(exactly rawValue: UInt64) {
    guard rawValue <= Self.limit.rawValue else { return nil }
    self.rawValue = rawValue
  }

  /// Takes `rawValue` as it is. The caller knows that it is at most 2^52.
  @inline(__always)
  package init(unchecked rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The first byte.
  public static var zero: PhysicalAddress { PhysicalAddress(unchecked: 0) }

  /// The end of all physical memory, 2^52.
  public static var limit: PhysicalAddress { PhysicalAddress(unchecked: 1 << 52) }

  @inline(__always)
  public static func < (left: PhysicalAddress, right: PhysicalAddress) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension PhysicalAddress {
  /// The address `byteCount` bytes further on, or nil if that is above 2^52.
  @inline(__always)
  public func advanced(byChecked byteCount: UInt64) -> PhysicalAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(byteCount)
    return overflow ? nil : PhysicalAddress(exactly: sum)
  }

  /// The address `byteCount` bytes further on. Traps if that is above 2^52.
  @inline(__always)
  public static func + (address: PhysicalAddress, byteCount: UInt64) -> PhysicalAddress {
    guard let sum = address.advanced(byChecked: byteCount) else {
      panic("a physical address was advanced past the end of physical memory", address)
    }
    return sum
  }

  /// The number of bytes from `start` to here. Traps if `start` is further on.
  @inline(__always)
  public func byteCount(from start: PhysicalAddress) -> UInt64 {
    require(start <= self, "a physical range ends before it starts", self)
    return rawValue &- start.rawValue
  }

  /// Whether this is a multiple of `alignment` bytes, a power of two.
  @inline(__always)
  public func isAligned(to alignment: UInt64) -> Bool {
    rawValue & (alignment &- 1) == 0
  }

  @inline(__always)
  public func isAligned(to size: PageSize) -> Bool { isAligned(to: size.byteCount) }

  /// The last multiple of `alignment` bytes, a power of two, that is not after this.
  @inline(__always)
  public func alignedDown(to alignment: UInt64) -> PhysicalAddress {
    PhysicalAddress(unchecked: rawValue & ~(alignment &- 1))
  }

  /// The first multiple of `alignment` bytes that is not before this.
  ///
  /// `alignment` is a power of two up to 2^52, so the answer is at most 2^52 too.
  @inline(__always)
  public func alignedUp(to alignment: UInt64) -> PhysicalAddress {
    PhysicalAddress(unchecked: (rawValue &+ (alignment &- 1)) & ~(alignment &- 1))
  }

  /// How many 4 KiB frames lie before the one that holds this byte.
  @inline(__always)
  public var frameNumber: UInt64 { rawValue >> 12 }
}
