/// The bits of a page that the processor sets when the page is used.
public struct AccessBits: OptionSet, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The page was read, written or executed.
  public static var accessed: AccessBits { AccessBits(rawValue: 1) }
  /// The page was written.
  public static var dirty: AccessBits { AccessBits(rawValue: 2) }
}
