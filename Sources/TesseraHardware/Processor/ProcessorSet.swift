/// A set of processors of one group: 64 with consecutive numbers, the first a multiple of 64.
///
/// What concerns all processors is done group by group. Most machines have one.
@frozen
package struct ProcessorSet: Equatable, Sendable {
  /// Bit `n` is set if the processor of the group whose number is `n` modulo 64 is a member.
  package private(set) var rawValue: UInt64

  @inline(__always)
  package init(rawValue: UInt64 = 0) { self.rawValue = rawValue }

  /// Creates the set of one processor of its group.
  @inline(__always)
  package init(_ processor: Int) { rawValue = Self.bit(of: processor) }

  /// The number of processors of a group.
  @inline(__always)
  package static var groupSize: Int { 64 }

  /// The group of `processor`.
  @inline(__always)
  package static func group(of processor: Int) -> Int { processor >> 6 }

  /// The number of groups of `processorCount` processors.
  @inline(__always)
  package static func groupCount(of processorCount: Int) -> Int { (processorCount &+ 63) >> 6 }

  @inline(__always)
  package var isEmpty: Bool { rawValue == 0 }

  @inline(__always)
  package var count: Int { rawValue.nonzeroBitCount }

  /// Returns whether `processor`, one of the group, is a member.
  @inline(__always)
  package func contains(_ processor: Int) -> Bool { rawValue & Self.bit(of: processor) != 0 }

  /// Returns whether `processor`, one of the group, is the only member.
  @inline(__always)
  package func isOnly(_ processor: Int) -> Bool { rawValue == Self.bit(of: processor) }

  /// Adds `processor`, one of the group.
  @inline(__always)
  package mutating func insert(_ processor: Int) { rawValue |= Self.bit(of: processor) }

  /// Removes `processor`, one of the group.
  @inline(__always)
  package mutating func remove(_ processor: Int) { rawValue &= ~Self.bit(of: processor) }

  /// Calls `body` with the number of each member, ascending. The set is of `group`.
  package func visit(group: Int, _ body: (Int) -> Void) {
    var left = rawValue
    while left != 0 {
      body(group &<< 6 &+ left.trailingZeroBitCount)
      left &= left &- 1
    }
  }

  @inline(__always)
  private static func bit(of processor: Int) -> UInt64 {
    1 &<< UInt64(truncatingIfNeeded: processor)
  }
}
