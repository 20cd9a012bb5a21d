/// The accesses that a page permits.
///
/// Writable pages are readable, because the processor has no write-only ones. An enumeration rather
/// than an option set, so that a page that is writable and executable is always spelled out.
@frozen
public enum PageAccess: UInt8, Sendable {
  /// Every access faults. The page stays mapped and keeps its frame.
  case none = 0b000
  case read = 0b001
  case readWrite = 0b011
  case readExecute = 0b101
  case readWriteExecute = 0b111
}

extension PageAccess {
  @inline(__always)
  public var allowsRead: Bool { self != .none }

  @inline(__always)
  public var allowsWrite: Bool { rawValue & 0b010 != 0 }

  @inline(__always)
  public var allowsExecute: Bool { rawValue & 0b100 != 0 }

  /// Returns whether `other` allows everything that this allows.
  ///
  /// A change from `other` to this one removes rights, unless the two are equal.
  @inline(__always)
  public func isSubset(of other: PageAccess) -> Bool { rawValue & ~other.rawValue == 0 }
}
