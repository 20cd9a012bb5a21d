public import TesseraHardware

/// The array of slots: one for each frame up to the highest address of memory.
///
/// A frame and its slot are found from each other by arithmetic alone.
public enum FrameTable {
  /// Access: written by `install` and `remove`, constant in between.
  nonisolated(unsafe) private static var base: UnsafeMutablePointer<FrameSlot>?
  /// Access: as above.
  nonisolated(unsafe) private static var installedCount: UInt64 = 0

  /// How many 4 KiB frames have a slot.
  @inline(__always)
  public static var frameCount: UInt64 {
    // SAFETY: constant once the kernel runs.
    unsafe installedCount
  }

  /// The end of the memory that has slots.
  public static var end: PhysicalAddress { PhysicalAddress(frameCount << 12) }

  /// Makes the memory at `slots` the table for the first `frameCount` frames, all unused.
  ///
  /// The caller gives `64 * frameCount` bytes, aligned to 64, for good, and runs alone. Frames for
  /// which nothing else is said stay unused: nobody's, and not the allocator's.
  @unsafe package static func install(_ slots: UnsafeMutableRawPointer, frameCount: UInt64) {
    require(
      MemoryLayout<FrameSlot>.size == Int(FrameSlot.byteCount), "a frame slot must have 64 bytes")
    require(UInt(bitPattern: slots) % 64 == 0, "the slot array must start on a multiple of 64")
    let typed = unsafe slots.bindMemory(to: FrameSlot.self, capacity: Int(frameCount))
    for index in 0..<Int(frameCount) { unsafe (typed + index).initialize(to: FrameSlot()) }
    unsafe base = typed
    unsafe installedCount = frameCount
  }

  /// Undoes `install`: no frame has a slot. Runs alone, and nothing is in use.
  package static func remove() {
    // SAFETY: nothing else runs.
    unsafe base = nil
    // SAFETY: as above.
    unsafe installedCount = 0
  }

  /// The slot of frame `number`, which has one.
  @inline(__always)
  package static func slot(number: UInt64) -> FrameSlotReference {
    // SAFETY: `install` gave the base before anyone has a frame number; slots live for ever.
    unsafe FrameSlotReference(base.unsafelyUnwrapped + Int(truncatingIfNeeded: number))
  }

  /// The slot of the frame that starts at `address`.
  ///
  /// Throws `notAligned`, then `outOfBounds`.
  @inline(__always)
  package static func slot(at address: PhysicalAddress) throws(FrameError) -> FrameSlotReference {
    guard address.isAligned(to: .fourKiB) else { throw .notAligned }
    guard address.frameNumber < frameCount else { throw .outOfBounds }
    return slot(number: address.frameNumber)
  }

  /// The number of the frame that `slot` describes.
  @inline(__always)
  package static func number(of slot: FrameSlotReference) -> UInt64 {
    // SAFETY: constant once the kernel runs.
    let start = unsafe UInt(bitPattern: base)
    return UInt64(truncatingIfNeeded: (slot.bits &- start) &>> 6)
  }
}

extension FrameTable {
  /// Says that the frames from `start` up to `end` are in use for `usage`, for good.
  ///
  /// Their count is the maximum, so that handles to them may come and go. Frames beyond the table
  /// are left out. The caller runs alone and knows that no frame of the range has an owner.
  package static func reserve(
    from start: PhysicalAddress, to end: PhysicalAddress, for usage: FrameUsage
  ) {
    var number = start.frameNumber
    while number < min(end.frameNumber, frameCount) {
      slot(number: number).makePermanent(usage)
      number += 1
    }
  }

  /// How many frames have reached the highest count and stay in use for ever because of it.
  public static var saturatedFrameCount: UInt64 { FrameSlotReference.saturatedFrameCount }
}
