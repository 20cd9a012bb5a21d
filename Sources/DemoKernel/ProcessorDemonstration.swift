internal import DemoPlatform
internal import Synchronization
internal import TesseraHardware

/// Tasks on all processors, each of which must find its own number.
struct ProcessorDemonstration {
  private static let roundCount: UInt64 = 100

  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Which processors have run the task of a round.
  private struct Attendance: ~Copyable {
    /// A bit for each processor. Access: atomic.
    let present = Atomic<UInt64>(0)
    /// The number of tasks that were run. Access: atomic.
    let count = Atomic<UInt64>(0)

    func note(_ processor: Int) {
      // Ordering: relaxed; the end of the task orders both for the reader.
      present.bitwiseOr(1 << UInt64(processor), ordering: .relaxed)
      count.wrappingAdd(1, ordering: .relaxed)
    }
  }

  /// Runs tasks on all processors, and prints how long that takes.
  mutating func run() {
    guard Processors.count > 1 else { return }
    var attendance = Attendance()
    let start = Processor.timestamp
    for _ in 0..<Self.roundCount {
      // SAFETY: the function is that of this context, whose parts are atomic.
      unsafe ProcessorTask.runOnAll(&attendance) {
        unsafe $0.assumingMemoryBound(to: Attendance.self).pointee.note(Processor.current)
      }
    }
    let cycles = (Processor.timestamp &- start) / Self.roundCount
    // Ordering: relaxed; see above.
    let present = attendance.present.load(ordering: .relaxed)
    checks.check(
      present.nonzeroBitCount == Processors.count, "each processor finds a number of its own")
    checks.check(
      attendance.count.load(ordering: .relaxed) == Self.roundCount * UInt64(Processors.count),
      "each processor runs each task once")
    console.write("tessera: run a task on all processors                ")
    console.write(decimal: Self.roundCount, width: 8, grouped: true)
    console.write(" rounds, ")
    console.write(decimal: cycles, width: 6, grouped: true)
    console.write(" cycles each\n")
  }
}
