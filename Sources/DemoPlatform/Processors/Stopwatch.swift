internal import TesseraHardware

/// The time since a start, by the time-stamp counter. To be used once the processors are started.
public struct Stopwatch {
  private let start = Processor.timestamp

  public init() {}

  public var milliseconds: UInt64 {
    (Processor.timestamp &- start) / Clock.cyclesPerMillisecond
  }

  public var microseconds: UInt64 {
    (Processor.timestamp &- start) * 1000 / Clock.cyclesPerMillisecond
  }
}
