internal import CTessera

/// What Tessera reports to a simulated machine, and what that machine asks of it.
///
/// In a freestanding build all of it folds to nothing, but for poisoning in a check build.
package enum SimulationHooks {
  /// Reports that entry `index` of the table at `table` was written.
  @inline(__always)
  package static func entryWritten(
    at table: @autoclosure () -> PhysicalAddress, index: Int, old: UInt64, new: UInt64
  ) {
    guard hw_is_observed() else { return }
    let table = table()
    hw_note_entry_write(table.rawValue &+ UInt64(truncatingIfNeeded: index) &* 8, old, new)
  }

  /// Reports that the `byteCount` bytes of memory from `address` have been freed.
  @inline(__always)
  package static func frameFreed(at address: PhysicalAddress, byteCount: UInt64) {
    hw_note_frame_free(address.rawValue, byteCount)
  }

  /// Counts an allocation and returns whether it must fail.
  @inline(__always)
  package static var failsAllocation: Bool { hw_allocation_fails() }

  /// A Boolean value indicating whether a free does more than to free: `frameFreed`, or poisoning.
  @inline(__always)
  package static var observesFrees: Bool { hw_is_observed() || hw_frames_are_poisoned() }

  /// A Boolean value indicating whether freed frames are filled with a pattern that is checked at
  /// their next allocation.
  @inline(__always)
  package static var poisonsFreedFrames: Bool { hw_frames_are_poisoned() }
}
