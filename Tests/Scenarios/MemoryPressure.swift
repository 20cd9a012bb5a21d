internal import TesseraFrames
internal import TesseraHardware

/// All free memory but a few frames, held so that the allocator runs out soon.
struct MemoryPressure: ~Copyable {
  private var blocks = InlineArray<128, RawAllocation?> { _ in nil }
  private var blockCount = 0

  /// Takes all that the allocator has, for which this processor's cache is emptied: also of what an
  /// allocation of one frame brings there.
  mutating func allocateAll() throws(TesseraError) {
    while blockCount < blocks.count {
      FrameAllocator.drainCache()
      let largest = FrameAllocator.statistics.largestFreeBlock
      guard largest > 0 else { return }
      blocks[blockCount] = try RawAllocation(Int(largest))
      blockCount += 1
    }
  }
}
