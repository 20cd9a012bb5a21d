/// Why a processor could not use an address.
public enum PageFault: Error, Hashable, Sendable {
  /// #PF. The address is in CR2.
  case page(address: UInt64, PageFaultCode)
  /// #GP: the address is not canonical.
  case generalProtection(address: UInt64)
  /// No fault of any processor: the tables lead to an address where there is no memory to read or
  /// write.
  case noMemory(physicalAddress: UInt64)
}

/// The error code of a page fault (Intel SDM Vol. 3A, "Page-Fault Exceptions").
public struct PageFaultCode: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The page is present: a right is missing, or a reserved bit is set.
  public static let present = PageFaultCode(rawValue: 1)
  public static let write = PageFaultCode(rawValue: 2)
  public static let user = PageFaultCode(rawValue: 4)
  public static let reservedBit = PageFaultCode(rawValue: 8)
  /// Told only by a processor that can keep instructions from being fetched.
  public static let fetch = PageFaultCode(rawValue: 16)
}
