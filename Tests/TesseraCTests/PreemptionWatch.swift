import CTessera
import TesseraFrames
import TesseraHardware

/// Watches the writes of page-table entries: with preemption off, and how many without a break.
///
/// Replaces the observer of the simulated machine, of which there is none here.
final class PreemptionWatch {
  /// Entries that were written with preemption on.
  var unprotectedWrites = 0
  /// How often frames were freed with preemption off.
  var protectedFrees = 0
  /// The largest number of entries that were written between turning preemption off and on again.
  var longestStretch = 0
  private var serial: UInt64 = 0
  private var stretch = 0

  init() {
    var observer = simulated_observer(
      context: Unmanaged.passUnretained(self).toOpaque(),
      entry_write: { context, _, _, _, _ in
        Unmanaged<PreemptionWatch>.fromOpaque(context!).takeUnretainedValue().note()
      },
      frame_free: { context, _, address, _ in
        Unmanaged<PreemptionWatch>.fromOpaque(context!).takeUnretainedValue().noteFree(address)
      }, control: { _, _, _, _, _ in },
      // Not copied: what is not read does not matter here.
      user_copy: { _, _, _, _, byteCount, _ in byteCount })
    simulated_install_observer(&observer)
  }

  func stop() { simulated_install_observer(nil) }

  /// Counts page tables not: a cursor frees those that it leaves empty, one per level.
  private func noteFree(_ address: UInt64) {
    let kind = FrameTable.slot(number: address >> 12).kind
    if simulated_current_processor().pointee.preemption_depth > 0 && kind.usage != .pageTable {
      protectedFrees += 1
    }
  }

  private func note() {
    let processor = simulated_current_processor().pointee
    if processor.preemption_depth == 0 { unprotectedWrites += 1 }
    stretch = processor.preemption_disables == serial ? stretch + 1 : 1
    serial = processor.preemption_disables
    longestStretch = max(longestStretch, stretch)
  }
}
