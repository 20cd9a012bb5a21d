/// A set of processor numbers from 0 to 63.
@frozen
package struct ProcessorSet: Equatable, Sendable {
  /// Bit `n` is set if processor `n` is a member.
  package private(set) var rawValue: UInt64

  @inline(__always)
  package init(rawValue: UInt64 = 0) { self.rawValue = rawValue }

  /// Creates the set of one processor.
  @inline(__always)
  package init(_ processor: Int) {
    rawValue = 0
    insert(processor)
  }

  /// The numbers that a set can hold are below this.
  package static var capacity: Int { 64 }

  @inline(__always)
  package var isEmpty: Bool { rawValue == 0 }

  @inline(__always)
  package var count: Int { rawValue.nonzeroBitCount }

  /// Returns whether `processor` is a member; false if its number is above 63.
  @inline(__always)
  package func contains(_ processor: Int) -> Bool { rawValue >> UInt64(processor) & 1 != 0 }

  /// Panics if `processor` is not in 0...63.
  @inline(__always)
  package mutating func insert(_ processor: Int) { rawValue |= Self.bit(of: processor) }

  /// Panics if `processor` is not in 0...63.
  @inline(__always)
  package mutating func remove(_ processor: Int) { rawValue &= ~Self.bit(of: processor) }

  /// Returns whether `processor`, whose number is below 64, is the only member.
  @inline(__always)
  package func isOnly(_ processor: Int) -> Bool {
    rawValue == 1 &<< UInt64(truncatingIfNeeded: processor)
  }

  /// Returns the set without `processor`. Panics if its number is not in 0...63.
  package func removing(_ processor: Int) -> ProcessorSet {
    var others = self
    others.remove(processor)
    return others
  }

  /// Calls `body` with the number of each member, ascending.
  package func visit(_ body: (Int) -> Void) {
    var left = rawValue
    while left != 0 {
      body(left.trailingZeroBitCount)
      left &= left &- 1
    }
  }

  @inline(__always)
  private static func bit(of processor: Int) -> UInt64 {
    require(processor >= 0 && processor < capacity, "processor number is above 63")
    return 1 &<< UInt64(truncatingIfNeeded: processor)
  }
}
