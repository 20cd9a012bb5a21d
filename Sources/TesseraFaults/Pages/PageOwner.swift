/// What a page belongs to: a memory object, or the anonymous memory of a family of spaces, which
/// forks have made of one.
@frozen
public struct PageOwner: Equatable, Sendable {
  package let rawValue: UInt32

  private static var objectFlag: UInt32 { 1 << 31 }

  /// The family of spaces with this number, from 1.
  package init(family number: UInt32) { rawValue = number }

  /// The memory object with this number, from 1.
  package init(object number: UInt32) { rawValue = number | Self.objectFlag }

  /// Whether it is a memory object.
  public var isObject: Bool { rawValue & Self.objectFlag != 0 }

  /// The number among the objects, or among the families, from 1. Numbers are used again.
  public var number: UInt32 { rawValue & ~Self.objectFlag }
}
