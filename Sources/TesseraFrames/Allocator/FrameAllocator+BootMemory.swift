public import TesseraHardware

extension FrameAllocator {
  /// Gives the allocator the frames from `start` up to `end`, which the kernel's image or what its
  /// loader left took up until now.
  ///
  /// The caller promises that nothing there is needed any more. Throws `empty`; `notAligned` unless
  /// both are multiples of 4 KiB; `outOfBounds` beyond the frames that have slots; and `inUse` if a
  /// frame was kept for something else, or somebody has shared it by its address.
  @unsafe public static func donateReserved(
    from start: PhysicalAddress, to end: PhysicalAddress
  ) throws(FrameError) {
    guard start < end else { throw .empty }
    guard start.isAligned(to: .fourKiB), end.isAligned(to: .fourKiB) else { throw .notAligned }
    guard end <= FrameTable.end else { throw .outOfBounds }
    for number in start.frameNumber..<end.frameNumber {
      let slot = FrameTable.slot(number: number)
      guard slot.kind.usage == .kernel, slot.count == ReferenceCount.maximum else { throw .inUse }
    }
    for number in start.frameNumber..<end.frameNumber {
      FrameTable.slot(number: number).makeUnowned(as: .none)
    }
    donate(from: start, to: end)
  }
}
