internal import TesseraHardware

/// The pattern that free frames hold in a configuration that checks for writes to freed memory.
package enum FramePoison {
  /// Not canonical as an address, and easy to recognise in a dump.
  private static var pattern: UInt64 { 0x5afe_f4ee_5afe_f4ee }

  /// Fills the frame of `slot`, which the caller alone has.
  @inline(never)
  package static func apply(to slot: FrameSlotReference) {
    let byteCount = PageSize.fourKiB.byteCount
    // SAFETY: the caller has the frame to itself, and it is memory.
    unsafe PhysicalMemory.fill(from: slot.address, with: pattern, byteCount: byteCount)
  }

  /// Traps if the frame of `slot`, which was filled when it became free, holds anything else.
  @inline(never)
  static func check(_ slot: FrameSlotReference) {
    let byteCount = PageSize.fourKiB.byteCount
    // SAFETY: the caller has the frame to itself, and it is memory.
    let isIntact = unsafe PhysicalMemory.isFilled(
      from: slot.address, with: pattern, byteCount: byteCount)
    require(isIntact, "memory was written after it was freed, in the frame", slot.address)
  }
}
