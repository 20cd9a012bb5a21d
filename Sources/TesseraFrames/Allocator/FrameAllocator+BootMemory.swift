public import TesseraHardware

extension FrameAllocator {
  /// Donates the frames from `start` up to `end`, which the kernel's image or its loader occupied,
  /// to the allocator.
  ///
  /// The caller guarantees that nothing there is needed any more.
  ///
  /// - Throws: `empty`; `notAligned` unless both addresses are multiples of 4 KiB; `outOfBounds`
  ///   beyond the frames that have slots; `inUse` if a frame was reserved for another usage, or is
  ///   shared.
  @unsafe public static func donateReserved(
    from start: PhysicalAddress, to end: PhysicalAddress
  ) throws(TesseraError) {
    guard start < end else { throw .empty }
    guard start.isAligned(to: .fourKiB), end.isAligned(to: .fourKiB) else { throw .notAligned }
    guard end <= FrameTable.end else { throw .outOfBounds }
    for number in start.frameNumber..<end.frameNumber {
      let slot = FrameTable.slot(number: number)
      guard slot.kind.usage == .kernel, slot.count == ReferenceCount.maximum,
        !slot.kind.isAllocated
      else { throw .inUse }
    }
    for number in start.frameNumber..<end.frameNumber {
      FrameTable.slot(number: number).makeUnowned(as: .none)
    }
    donate(from: start, to: end)
  }
}
