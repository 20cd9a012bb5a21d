public import TesseraHardware

/// The array of slots: one for each frame up to the highest address of memory.
///
/// A frame and its slot are found from each other by arithmetic alone.
public enum FrameTable {
  /// SAFETY: safe to use, because it is constant once the kernel runs.
  ///
  /// Access: written by `install` and `remove`, constant in between.
  @safe nonisolated(unsafe) private static var base: UnsafeMutablePointer<FrameSlot>?

  /// Access: as for `base`.
  @safe nonisolated(unsafe) private static var installedCount: UInt64 = 0

  /// The number of 4 KiB frames that have a slot.
  @inline(__always)
  public static var frameCount: UInt64 { installedCount }

  /// The end of the memory that has slots.
  public static var end: PhysicalAddress { PhysicalAddress(frameCount << 12) }

  /// Makes the memory at `slots` the table for the first `frameCount` frames, all of them unused.
  ///
  /// The caller provides `64 * frameCount` bytes, aligned to 64, permanently. No other processor
  /// runs. Frames stay unused, in no allocator, until they are reserved or donated.
  @unsafe package static func install(_ slots: UnsafeMutableRawPointer, frameCount: UInt64) {
    require(
      MemoryLayout<FrameSlot>.size == Int(FrameSlot.byteCount), "a frame slot is not 64 bytes")
    require(UInt(bitPattern: slots) % 64 == 0, "frame slots are not aligned to 64 bytes")
    let typed = unsafe slots.bindMemory(to: FrameSlot.self, capacity: Int(frameCount))
    for index in 0..<Int(frameCount) { unsafe (typed + index).initialize(to: FrameSlot()) }
    unsafe base = typed
    installedCount = frameCount
  }

  /// Undoes `install`: no frame has a slot. No other processor runs, and no frame is in use.
  package static func remove() {
    base = nil
    installedCount = 0
  }

  /// The slot of frame `number`.
  ///
  /// - Precondition: `number` is less than `frameCount`.
  @inline(__always)
  package static func slot(number: UInt64) -> FrameSlotReference {
    // SAFETY: `install` set the base before there was a frame number to pass.
    unsafe FrameSlotReference(base.unsafelyUnwrapped + Int(truncatingIfNeeded: number))
  }

  /// Returns whether the memory at `address` is mapped in the direct map: it has a slot, and is not
  /// the firmware's, a device's, or a hole.
  package static func isMapped(_ address: PhysicalAddress) -> Bool {
    address.frameNumber < frameCount
      && slot(number: address.frameNumber).kind.usage != .reserved
  }

  /// The slot of the frame that starts at `address`.
  ///
  /// - Throws: `notAligned`, or `outOfBounds`, checked in this order.
  @inline(__always)
  package static func slot(at address: PhysicalAddress) throws(TesseraError) -> FrameSlotReference {
    guard address.isAligned(to: .fourKiB) else { throw .notAligned }
    guard address.frameNumber < frameCount else { throw .outOfBounds }
    return slot(number: address.frameNumber)
  }

  /// The number of the frame that `slot` describes.
  @inline(__always)
  package static func number(of slot: FrameSlotReference) -> UInt64 {
    UInt64(truncatingIfNeeded: (slot.bits &- UInt(bitPattern: base)) &>> 6)
  }
}

extension FrameTable {
  /// Puts the frames from `start` up to `end` permanently to `usage`.
  ///
  /// Their count is saturated, so that handles to them may come and go. Frames beyond the table are
  /// ignored. No other processor runs, and no frame of the range has an owner.
  package static func reserve(
    from start: PhysicalAddress, to end: PhysicalAddress, for usage: FrameUsage
  ) {
    var number = start.frameNumber
    while number < min(end.frameNumber, frameCount) {
      slot(number: number).makePermanent(usage)
      number += 1
    }
  }

  /// The number of frames whose count has reached its maximum, and which are therefore never freed.
  public static var saturatedFrameCount: UInt64 { FrameSlotReference.saturatedFrameCount }
}
