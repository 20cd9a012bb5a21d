public import TesseraHardware

// Raw allocation: frames without a handle, for code that keeps track of its memory itself. Their
// count is `unused` and their kind `plain`.
extension FrameAllocator {
  /// Allocates `frameCount` contiguous frames without a handle. Returns the address of the first.
  ///
  /// The frames are the caller's until it frees them, in any order and in any portions, or claims
  /// them by a handle, which then frees them.
  ///
  /// - Throws: `empty` if `frameCount` is not positive, or `outOfFrames`.
  public static func allocate(
    _ frameCount: Int = 1, _ request: FrameRequest = FrameRequest()
  ) throws(TesseraError) -> PhysicalAddress {
    if frameCount == 1 {
      let slot = try allocateSlot(request)
      slot.makeUnowned(as: .plain)
      return slot.address
    }
    let first = try allocateRun(frameCount, request)
    for index in 0..<frameCount { first.advanced(by: index).makeUnowned(as: .plain) }
    return first.address
  }

  /// Frees `frameCount` contiguous frames that `allocate` returned.
  ///
  /// - Precondition: The caller allocated every frame, has not freed it, and no handle holds it.
  ///   Checked before anything is changed.
  public static func free(_ address: PhysicalAddress, _ frameCount: Int = 1) {
    require(
      address.isAligned(to: .fourKiB), "freed an address that is not aligned to 4 KiB", address)
    require(frameCount > 0, "freed a run of no frames", address)
    let (end, overflow) = address.frameNumber.addingReportingOverflow(UInt64(frameCount))
    require(
      !overflow && end <= FrameTable.frameCount, "freed an address beyond the frame table", address)
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
      if slot.kind != .plain { panicOnFree(ofUnused: slot) }
    case ReferenceCount.free:
      panic("freed a frame that is already free", slot.address)
    default:
      panic("freed a frame that a handle holds", slot.address)
    }
  }

  /// Panics because an unowned frame was freed that is no raw allocation.
  @inline(never)
  private static func panicOnFree(ofUnused slot: FrameSlotReference) -> Never {
    require(slot.kind != .external, "freed a frame that is already free", slot.address)
    panic("freed a frame that was never allocated", slot.address)
  }

  /// Claims the frame from its caller by the same exchange as a handle would, so that of two
  /// callers that free it concurrently only one succeeds.
  private static func claimToFree(_ slot: FrameSlotReference) {
    do {
      try slot.claim()
    } catch {
      panic("freed a frame that is concurrently freed or claimed", slot.address)
    }
  }
}
