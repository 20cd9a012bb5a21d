public import TesseraHardware

extension FrameAllocator {
  /// Allocates `frameCount` frames that follow each other, without a handle.
  ///
  /// For code that keeps track of its memory itself. The frames are the caller's until it frees
  /// them, in any order and in any portions, or claims them by a handle, which then frees them.
  /// Returns the first byte. Throws `empty` for no frames, and `outOfFrames`.
  public static func allocate(
    _ frameCount: Int = 1, _ request: FrameRequest = FrameRequest()
  ) throws(FrameError) -> PhysicalAddress {
    if frameCount == 1 {
      let slot = try allocateSlot(request)
      slot.makeUnowned(as: .plain)
      return slot.address
    }
    let first = try allocateRun(frameCount, request)
    for index in 0..<frameCount { first.advanced(by: index).makeUnowned(as: .plain) }
    return first.address
  }

  /// Frees `frameCount` frames from `address` on, which `allocate` returned.
  ///
  /// Traps, before anything is changed, if a frame is not the caller's: never allocated, freed
  /// before, held by a handle, or no frame at all.
  public static func free(_ address: PhysicalAddress, _ frameCount: Int = 1) {
    require(address.isAligned(to: .fourKiB), "freed an address that is no frame's start", address)
    require(frameCount > 0, "freed no frames at all", address)
    let (end, overflow) = address.frameNumber.addingReportingOverflow(UInt64(frameCount))
    require(
      !overflow && end <= FrameTable.frameCount, "freed an address beyond all frames", address)
    for number in address.frameNumber..<end { checkCanFree(FrameTable.slot(number: number)) }
    let first = FrameTable.slot(number: address.frameNumber)
    for index in 0..<frameCount {
      claimToFree(first.advanced(by: index))
      makeFree(first.advanced(by: index))
    }
    freeRun(first, frameCount: frameCount)
  }

  private static func checkCanFree(_ slot: FrameSlotReference) {
    switch slot.count {
    case ReferenceCount.unused:
      if slot.kind != .plain { panicOnFree(slot) }
    case ReferenceCount.free:
      panic("freed a frame that is free already", slot.address)
    default:
      panic("freed a frame that a handle holds", slot.address)
    }
  }

  /// Stops because a frame that nobody owns is to be freed, and was not handed out bare.
  @inline(never)
  private static func panicOnFree(_ slot: FrameSlotReference) -> Never {
    require(slot.kind != .external, "freed a frame that is free already", slot.address)
    panic("freed a frame that was never allocated", slot.address)
  }

  /// Takes the frame from its caller by the same exchange as a handle would, so that of two who
  /// free it at once only one succeeds.
  private static func claimToFree(_ slot: FrameSlotReference) {
    do {
      try slot.claim()
    } catch {
      panic("freed a frame that is freed or claimed elsewhere", slot.address)
    }
  }
}
