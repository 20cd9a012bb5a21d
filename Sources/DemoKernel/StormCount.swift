internal import DemoPlatform
internal import Synchronization
internal import TesseraHardware

/// A number to which all processors add in a storm.
struct StormCount: ~Copyable {
  /// Access: atomic.
  private let value = Atomic<UInt64>(0)

  func add(_ number: UInt64 = 1) {
    // Ordering: relaxed; the end of the task orders it for the reader.
    value.wrappingAdd(number, ordering: .relaxed)
  }

  /// The number so far. That of all processors, once the storm is over.
  var total: UInt64 {
    // Ordering: relaxed; the end of the tasks orders it.
    value.load(ordering: .relaxed)
  }

  /// Waits until other processors have added `number`, or for a while.
  func waitForOthers(toAdd number: UInt64) {
    guard Processors.count > 1 else { return }
    let goal = total + number
    for _ in 0..<400 {
      // QEMU's turn goes to the next processor here.
      Processor.pause()
      if total >= goal { return }
    }
  }
}
