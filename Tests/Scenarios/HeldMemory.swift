internal import TesseraFrames

/// All free memory but a few frames, held so that the allocator runs out soon.
struct HeldMemory: ~Copyable {
  private var blocks = InlineArray<128, BareRun?> { _ in nil }
  private var blockCount = 0

  /// Takes all that the allocator has, for which this processor's cache is emptied.
  mutating func takeAll() throws(FrameError) {
    FrameAllocator.drainCache()
    var largest = FrameAllocator.statistics.largestFreeBlock
    while largest > 0, blockCount < blocks.count {
      blocks[blockCount] = try BareRun(Int(largest))
      blockCount += 1
      largest = FrameAllocator.statistics.largestFreeBlock
    }
  }
}
