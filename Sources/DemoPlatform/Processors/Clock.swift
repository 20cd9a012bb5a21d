internal import TesseraHardware

/// Time, by the time-stamp counter.
enum Clock {
  /// Access: written by `calibrate` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var calibratedCycles: UInt64 = 0

  /// The cycles of the counter in a millisecond. Before `calibrate`, those of a fast processor.
  static var cyclesPerMillisecond: UInt64 {
    // SAFETY: see `calibratedCycles`.
    let cycles = unsafe calibratedCycles
    return cycles == 0 ? 4_000_000 : cycles
  }

  /// Measures the counter by the interval timer of a PC, the 8254: its channel 2 counts down 10
  /// milliseconds, and can be read without interrupts.
  ///
  /// Leaves the counter at the guess if the timer does not count.
  static func calibrate() {
    let ticks: UInt16 = 11_932
    // SAFETY: the channel drives the speaker, which is off; nothing else uses it.
    let gate = unsafe Processor.readByte(fromPort: 0x61) & ~3
    unsafe Processor.write(gate, toPort: 0x61)
    // SAFETY: as above. Channel 2, both bytes, mode 0: the output rises at the end of the count.
    unsafe Processor.write(0xb0 as UInt8, toPort: 0x43)
    unsafe Processor.write(UInt8(ticks & 0xff), toPort: 0x42)
    unsafe Processor.write(UInt8(ticks >> 8), toPort: 0x42)
    let start = Processor.timestamp
    unsafe Processor.write(gate | 1, toPort: 0x61)
    // A read of the port takes about a microsecond.
    for _ in 0..<1_000_000 {
      // SAFETY: reading the port changes nothing.
      guard unsafe Processor.readByte(fromPort: 0x61) & 0x20 == 0 else {
        // SAFETY: one processor runs.
        unsafe calibratedCycles = max(1, (Processor.timestamp &- start) / 10)
        return
      }
    }
  }

  /// Waits for that long, at least.
  static func wait(microseconds: UInt64) {
    let end = Deadline(microseconds: microseconds)
    var count: UInt64 = 0
    while !end.hasPassed {
      count += 1
      // At a pause, QEMU turns to the next processor. That takes as long as a hundred of these
      // steps, but no time of a machine whose time is that of its instructions.
      if count % 1024 == 0 { Processor.pause() }
    }
  }
}

/// The end of a wait.
struct Deadline {
  private let start = Processor.timestamp
  private let cycles: UInt64

  init(microseconds: UInt64) { cycles = Clock.cyclesPerMillisecond * microseconds / 1000 }

  init(milliseconds: UInt64) { cycles = Clock.cyclesPerMillisecond * milliseconds }

  var hasPassed: Bool { Processor.timestamp &- start >= cycles }
}
