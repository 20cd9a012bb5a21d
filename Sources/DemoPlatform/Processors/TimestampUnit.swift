internal import CBoot
public import TesseraHardware

/// What the time-stamp counter counts.
///
/// A processor's counts cycles of a clock. QEMU's option `-icount` makes it count the instructions
/// of all processors together, each as a fixed power of two.
public enum TimestampUnit {
  case cycles
  /// Each instruction counts for so many.
  case instructions(each: UInt64)

  /// Measures loops of a known length. No other processor may run meanwhile.
  ///
  /// Instructions are counted if 2,000 more of them take exactly as much more each time.
  public init() {
    var each: UInt64?
    for _ in 0..<8 {
      let start = Processor.timestamp
      boot_repeat(1000)
      let middle = Processor.timestamp
      boot_repeat(2000)
      let difference = (Processor.timestamp &- middle) &- (middle &- start)
      let (count, remainder) = difference.quotientAndRemainder(dividingBy: 2000)
      guard remainder == 0, count.nonzeroBitCount == 1, count == each ?? count else {
        self = .cycles
        return
      }
      each = count
    }
    self = .instructions(each: each ?? 1)
  }

  /// The name of the unit, for a table.
  public var name: StaticString {
    switch self {
    case .cycles: "cycles"
    case .instructions: "instructions"
    }
  }

  /// The number of units in a difference of two values of the counter.
  public func count(_ difference: UInt64) -> UInt64 {
    switch self {
    case .cycles: difference
    case .instructions(let each): difference / each
    }
  }
}
