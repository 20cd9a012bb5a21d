internal import Tessera
internal import TesseraFrames
internal import TesseraHardware

/// Frames that are put aside, so that a machine has less memory for a while. Each has the address
/// of the next.
struct FrameReserve: ~Copyable {
  private var first: UInt64 = 0

  /// Puts all free frames aside but about `count`.
  init(leaving count: UInt64) {
    while FrameAllocator.statistics.freeFrameCount > count,
      let frame = try? Frame(allocating: PlainMemory(), .uninitialized)
    {
      frame.setWord(first, at: 0)
      first = frame.relinquish().rawValue
    }
  }

  consuming func release() {
    while first != 0 {
      // SAFETY: the frame was relinquished by `init`, and is adopted once.
      let frame = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(first))
      first = frame.word(at: 0)
    }
  }
}
