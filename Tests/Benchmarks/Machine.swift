internal import CBenchmarks
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// What the benchmarks allocate from: memory that the host reserved, of which nothing is touched
/// but what a benchmark touches. There is one in a process.
struct Machine: ~Copyable {
  /// How many frames are in use when nothing is mapped.
  private let usedFrameCount: UInt64

  /// A machine with two processors and `frameCount` frames, all of them the allocator's, and a
  /// table of as many for the loops of the limit.
  init(frameCount: Int) {
    let memory = unsafe host_reserve(frameCount * 4096)
    let slots = unsafe host_reserve(frameCount * 64)
    let state = unsafe host_reserve(Int(FrameAllocator.stateByteCount(processorCount: 2)))
    Handles.reserve(frameCount)
    // SAFETY: the host's memory is fresh, aligned to a page, and never freed; one thread runs.
    unsafe PhysicalMemory.setDirectMap(at: UInt(bitPattern: memory))
    unsafe FrameTable.install(slots, frameCount: UInt64(frameCount))
    unsafe FrameAllocator.start(in: state, processorCount: 2)
    FrameAllocator.donate(from: .zero, to: FrameTable.end)
    unsafe limit_start(frameCount, memory)
    do throws(TesseraError) { try Spaces.start(roomFor: 1 << 12) } catch {
      panic("a benchmark ran out of frames")
    }
    usedFrameCount = FrameAllocator.statistics.usedFrameCount
  }

  /// Frees what is pooled.
  borrowing func drain() {
    NodePool.drain()
    FrameAllocator.drainCache()
  }

  /// Stops if a benchmark lost a frame or broke a rule: what it measured would be something else.
  borrowing func expectAllFramesBack() {
    drain()
    require(FrameAllocator.statistics.usedFrameCount == usedFrameCount, "a benchmark lost a frame")
    FrameAllocator.checkInvariants { panic($0) }
  }
}
