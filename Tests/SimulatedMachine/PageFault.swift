/// A fault on an access.
public enum PageFault: Error, Hashable, Sendable {
  /// #PF, with the address in CR2.
  case page(address: UInt64, PageFaultCode)
  /// #GP: the address is not canonical.
  case generalProtection(address: UInt64)
  /// The tables lead to an address without memory. Not a fault of real processors.
  case noMemory(physicalAddress: UInt64)
}

/// The error code of a page fault (Intel SDM Vol. 3A, "Page-Fault Exceptions").
public struct PageFaultCode: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The page is present, but a right is missing or a reserved bit is set.
  public static let present = PageFaultCode(rawValue: 1)
  public static let write = PageFaultCode(rawValue: 2)
  public static let user = PageFaultCode(rawValue: 4)
  public static let reservedBit = PageFaultCode(rawValue: 8)
  /// Reported only if no-execute or SMEP is enabled.
  public static let fetch = PageFaultCode(rawValue: 16)
}
