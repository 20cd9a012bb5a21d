/// What may be done with the bytes of a page.
///
/// What can be written can be read, because the processor knows nothing else. Memory that can be
/// both written and executed has one name, so that nobody makes it by adding up.
@frozen
public enum PageAccess: UInt8, Sendable {
  /// Every access faults. The page stays mapped and keeps what it owns.
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

  /// Whether `other` allows all that this does.
  ///
  /// A change from `other` to this takes rights away unless the two are equal.
  @inline(__always)
  public func isSubset(of other: PageAccess) -> Bool { rawValue & ~other.rawValue == 0 }
}
