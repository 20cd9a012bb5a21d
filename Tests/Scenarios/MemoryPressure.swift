internal import TesseraFrames

/// All free memory but a few frames, held so that the allocator runs out soon.
struct MemoryPressure: ~Copyable {
  private var blocks = InlineArray<128, RawAllocation?> { _ in nil }
  private var blockCount = 0

  /// Takes all that the allocator has, for which this processor's cache is emptied.
  mutating func allocateAll() throws(FrameError) {
    FrameAllocator.drainCache()
    var largest = FrameAllocator.statistics.largestFreeBlock
    while largest > 0, blockCount < blocks.count {
      blocks[blockCount] = try RawAllocation(Int(largest))
      blockCount += 1
      largest = FrameAllocator.statistics.largestFreeBlock
    }
  }
}
