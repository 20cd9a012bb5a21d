/// The error code that the processor pushes for a page fault.
///
/// Each bit is read by itself: processors and emulators differ in which bits they combine. Some
/// report a reserved bit together with `present`, and some without.
///
/// Intel SDM Vol. 3A, "Page-Fault Exceptions".
@frozen
public struct PageFaultErrorCode: Equatable, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The page is present and does not allow the access.
  public static var present: UInt64 { 1 << 0 }
  /// The access was a write.
  public static var write: UInt64 { 1 << 1 }
  /// The access was made in user mode.
  public static var user: UInt64 { 1 << 2 }
  /// A page-table entry of the walk has a reserved bit set.
  public static var reservedBit: UInt64 { 1 << 3 }
  /// The access was an instruction fetch.
  public static var instructionFetch: UInt64 { 1 << 4 }
  /// The page's protection key forbids the access.
  public static var protectionKey: UInt64 { 1 << 5 }
  /// The access was made by a shadow-stack operation.
  public static var shadowStack: UInt64 { 1 << 6 }
  /// The access violates the rules of an SGX enclave.
  public static var enclave: UInt64 { 1 << 15 }

  /// Whether `bit`, one of those above, is set.
  public func has(_ bit: UInt64) -> Bool { rawValue & bit != 0 }
}
