import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// What a processor that stops leaves behind.
  @Suite("Closing of a processor's cache") struct CacheClosingTests {
    let machine = SimulatedMachine(frameCount: 256, processorCount: 2)

    @Test func `a processor that closes its cache leaves all free frames to others`() throws {
      try asProcessor(1) {
        try CacheUse.fill()
        FrameAllocator.closeCache()
      }
      #expect(FrameAllocator.statistics.freeFrameCount == 256)
      #expect(CacheUse.allocateAll().count == 256)
      #expect(machine.violations == [])
    }

    /// The test above sees what is left in a cache.
    @Test func `a cache that is not closed keeps frames`() throws {
      try asProcessor(1) { try CacheUse.fill() }
      #expect(FrameAllocator.statistics.cachedFrameCount > 0)
      #expect(CacheUse.allocateAll().count < 256)
    }

    @Test func `a processor with a closed cache allocates and frees, and keeps nothing`() throws {
      try asProcessor(1) {
        FrameAllocator.closeCache()
        let first = try FrameAllocator.allocate(1, .uninitialized)
        let frame = try Frame(allocating: PlainMemory())
        #expect(FrameAllocator.statistics.cachedFrameCount == 0)
        #expect(FrameAllocator.statistics.freeFrameCount == 254)
        FrameAllocator.free(first)
        _ = consume frame
        try CacheUse.fill(100)
      }
      #expect(FrameAllocator.statistics.cachedFrameCount == 0)
      #expect(FrameAllocator.statistics.freeFrameCount == 256)
      #expect(machine.violations == [])
    }

    @Test func `a closed cache stays closed until it is opened`() throws {
      try asProcessor(1) {
        FrameAllocator.closeCache()
        FrameAllocator.drainCache()
        try CacheUse.fill()
        #expect(FrameAllocator.statistics.cachedFrameCount == 0, "drained, and still closed")
        FrameAllocator.closeCache()
        let claimed = try Frame(claiming: machine.address(7), metadata: PlainMemory())
        #expect(claimed.address == machine.address(7))
        try CacheUse.fill()
        #expect(FrameAllocator.statistics.cachedFrameCount == 0)
        FrameAllocator.openCache()
        try CacheUse.fill()
        let cached = FrameAllocator.statistics.cachedFrameCount
        #expect(cached > 0)
        FrameAllocator.openCache()
        #expect(FrameAllocator.statistics.cachedFrameCount == cached)
      }
      #expect(machine.violations == [])
    }
  }
}
