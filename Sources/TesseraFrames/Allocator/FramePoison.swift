internal import TesseraHardware

/// The pattern in free frames, in a configuration that detects writes to freed memory.
package enum FramePoison {
  /// Not canonical as an address, and easily recognized in a dump.
  private static var pattern: UInt64 { 0x5afe_f4ee_5afe_f4ee }

  /// Fills the frame of `slot`, which only the caller owns.
  @inline(never)
  package static func apply(to slot: FrameSlotReference) {
    let byteCount = PageSize.fourKiB.byteCount
    // SAFETY: only the caller owns the frame, which is memory.
    unsafe PhysicalMemory.fill(from: slot.address, with: pattern, byteCount: byteCount)
  }

  /// Checks the frame of `slot`, which was filled when it became free.
  ///
  /// - Precondition: The frame still holds the pattern.
  @inline(never)
  static func check(_ slot: FrameSlotReference) {
    let byteCount = PageSize.fourKiB.byteCount
    // SAFETY: only the caller owns the frame, which is memory.
    let isIntact = unsafe PhysicalMemory.isFilled(
      from: slot.address, with: pattern, byteCount: byteCount)
    require(isIntact, "free frame was written to", slot.address)
  }
}
