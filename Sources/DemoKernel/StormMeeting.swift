internal import DemoPlatform
internal import TesseraHardware

/// A point in the rounds of a storm at which all processors wait for each other, so that they work
/// at the same time even where each of them seldom runs.
struct StormMeeting: ~Copyable {
  private static let patience = 1 << 22

  private let arrived = StormCount()
  private let missed = StormCount()

  /// Waits until all processors have come to meeting number `round`. Each comes to all of them, in
  /// order. If one does not come for seconds, this and all later meetings are left out.
  func wait(_ round: UInt64) {
    arrived.add()
    let goal = (round + 1) * UInt64(Processors.count)
    for _ in 0..<Self.patience {
      if arrived.total >= goal || missed.total > 0 { return }
      // QEMU's turn goes to the next processor here.
      Processor.pause()
    }
    missed.add()
  }
}
