/// The bits of a page that the processor sets when the page is used.
public enum AccessBits: Sendable {
  /// Neither bit.
  case none
  /// The page was read, written or executed.
  case accessed
  /// The page was written.
  case dirty
  /// Both bits.
  case both

  /// Whether `bit`, one of the two, is among these.
  func contains(_ bit: AccessBits) -> Bool { self == bit || self == .both }
}
