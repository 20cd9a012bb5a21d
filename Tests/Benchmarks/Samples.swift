internal import CBenchmarks

/// Times of a loop, of which the median counts.
struct Samples {
  private var nanoseconds = [101 of UInt64](repeating: 0)
  private(set) var count = 0

  static var capacity: Int { 101 }

  /// Adds the time that `loop` takes over `count` operations, less what looking at the clock costs.
  mutating func measure(_ loop: Loop, _ count: Int) {
    let start = host_nanoseconds()
    loop(count)
    let duration = host_nanoseconds() &- start
    add(duration - min(duration, Clock.cost))
  }

  /// Adds a time, in the order of size.
  mutating func add(_ duration: UInt64) {
    var place = count
    while place > 0 && nanoseconds[place - 1] > duration {
      nanoseconds[place] = nanoseconds[place - 1]
      place -= 1
    }
    nanoseconds[place] = duration
    count += 1
  }

  /// The same, unless there are as many as there can be.
  mutating func addIfRoom(_ duration: UInt64) {
    if count < Self.capacity { add(duration) }
  }

  /// The one of which three quarters are longer: what a computer that does other things too does to
  /// the rest says nothing. There is at least one.
  var lowerQuartile: UInt64 { nanoseconds[count / 4] }

  /// The middle one. There is at least one.
  var median: UInt64 { nanoseconds[count / 2] }
}

/// The clock, which takes time itself.
enum Clock {
  /// Access: by the one thread of the benchmarks.
  nonisolated(unsafe) private static var calibratedCost: UInt64 = 0

  /// The nanoseconds between two consecutive readings of the clock.
  static var cost: UInt64 {
    // SAFETY: one thread.
    unsafe calibratedCost
  }

  static func calibrate() {
    var samples = Samples()
    for _ in 0..<Samples.capacity {
      let start = host_nanoseconds()
      samples.add(host_nanoseconds() &- start)
    }
    // SAFETY: one thread.
    unsafe calibratedCost = samples.median
  }
}
