import Scenarios
import SimulatedMachine
import TesseraHardware
import TestSupport
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// Free frames in the caches of other processors are found before a request fails.
  @Suite("Lending of cached frames") struct CacheLendingTests {
    private static let frameCount = 512
    let machine = SimulatedMachine(frameCount: frameCount, processorCount: 3)

    private func fillOtherCaches() throws {
      for processor in 1...2 { try asProcessor(processor) { try CacheUse.fill() } }
      #expect(FrameAllocator.statistics.cachedFrameCount > 40)
    }

    @Test func `a request fails only if no processor has a free frame`() throws {
      Interrupts.connect()
      try fillOtherCaches()
      #expect(CacheUse.allocateAll().count == Self.frameCount)
      let now = FrameAllocator.statistics
      #expect(now.freeFrameCount == 0 && now.cachedFrameCount == 0)
      #expect(now.usedFrameCount == UInt64(Self.frameCount))
      #expect(machine.violations == [])
    }

    /// The test above sees a frame that stays in a cache.
    @Test func `without interrupts, frames stay in the caches of others`() throws {
      try fillOtherCaches()
      let cached = Int(FrameAllocator.statistics.cachedFrameCount)
      #expect(CacheUse.allocateAll().count == Self.frameCount - cached)
      #expect(machine.violations == [])
    }

    @Test func `processors of all groups lend their frames`() throws {
      let machine = SimulatedMachine(frameCount: Self.frameCount, processorCount: 130)
      Interrupts.connect()
      let before = Interrupts.callCount
      for processor in [1, 64, 129] { try asProcessor(processor) { try CacheUse.fill() } }
      #expect(FrameAllocator.statistics.cachedFrameCount > 60)
      #expect(CacheUse.allocateAll().count == Self.frameCount)
      #expect(Interrupts.callCount == before + 3, "one for each group")
      #expect(machine.violations == [])
    }

    @Test(arguments: [2, 100, 512])
    func `a run fails only if the caches of others have none of it`(frameCount: Int) throws {
      Interrupts.connect()
      try leaveOnlyRun(of: frameCount)
      _ = try FrameAllocator.allocate(frameCount, .uninitialized)
      #expect(FrameAllocator.statistics.cachedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test(arguments: [2, 100, 512])
    func `without interrupts, a run is broken by the cache of another`(frameCount: Int) throws {
      try leaveOnlyRun(of: frameCount)
      #expect(throws: TesseraError.outOfFrames) {
        try FrameAllocator.allocate(frameCount, .uninitialized)
      }
    }

    /// Leaves no free frames but the first `frameCount`, of which the last is in another
    /// processor's cache.
    private func leaveOnlyRun(of frameCount: Int) throws {
      let all = CacheUse.allocateAll()
      #expect(all.count == Self.frameCount)
      // Frames are short now; freeing some of them ends that.
      for address in all { FrameAllocator.free(address) }
      FrameAllocator.drainCache()
      let start = try FrameAllocator.allocate(Self.frameCount, .uninitialized)
      FrameAllocator.free(start, frameCount - 1)
      asProcessor(1) {
        FrameAllocator.free(start + UInt64(frameCount - 1) * 4096)
      }
      #expect(FrameAllocator.statistics.cachedFrameCount > 0)
    }

    @Test func `a processor that does not answer is asked and waited for once`() throws {
      Interrupts.connectToDeaf()
      FrameAllocator.setPatience(100)
      defer { FrameAllocator.setPatience(FrameAllocator.usualPatience) }
      try asProcessor(1) { try CacheUse.fill() }
      let cached = Int(FrameAllocator.statistics.cachedFrameCount)
      let before = Interrupts.callCount
      let allocated = CacheUse.allocateAll()
      #expect(allocated.count == Self.frameCount - cached)
      #expect(Interrupts.callCount == before + 1)
      #expect(!FrameAllocator.withRequest(of: 1) { $0.isAwaited })
      #expect(CacheUse.allocateAll() == [])
      #expect(Interrupts.callCount == before + 1)
      // Now it has its interrupts on again.
      asProcessor(1) { FrameAllocator.lendCache() }
      #expect(FrameAllocator.statistics.cachedFrameCount == UInt64(cached))
      #expect(machine.violations == [])
      #expect(CacheUse.allocateAll().count == cached)
      #expect(Interrupts.callCount == before + 1)
      #expect(machine.violations == [])
    }

    @Test func `while frames are short, those that are freed are there for all`() throws {
      Interrupts.connect()
      let all = CacheUse.allocateAll()
      let calls = Interrupts.callCount
      for round in 0..<20 {
        asProcessor(1 + round % 2) { FrameAllocator.free(all[round]) }
        #expect(FrameAllocator.statistics.cachedFrameCount == 0)
        #expect(try FrameAllocator.allocate(1, .uninitialized) == all[round])
      }
      #expect(Interrupts.callCount == calls)
      #expect(machine.violations == [])
    }

    @Test func `frames are cached again once there are enough`() throws {
      Interrupts.connect()
      let all = CacheUse.allocateAll()
      for address in all.prefix(Self.frameCount / 4 - 1) { FrameAllocator.free(address) }
      #expect(FrameAllocator.statistics.cachedFrameCount == 0)
      for address in all.suffix(3) { FrameAllocator.free(address) }
      #expect(FrameAllocator.statistics.cachedFrameCount > 0)
      #expect(machine.violations == [])
    }

    @Test func `a processor alone never runs short`() throws {
      let machine = SimulatedMachine(frameCount: 64)
      let all = CacheUse.allocateAll()
      #expect(all.count == 64)
      FrameAllocator.free(all[0])
      #expect(FrameAllocator.statistics.cachedFrameCount == 1)
      #expect(machine.violations == [])
    }

    @Test func `a cache is lent only if it was asked for`() throws {
      try asProcessor(1) {
        try CacheUse.fill()
        let cached = FrameAllocator.statistics.cachedFrameCount
        FrameAllocator.lendCache()
        FrameAllocator.withLock { state, _ in
          #expect(state.cache(of: 1).count == Int(cached))
        } external: {
        }
      }
    }

    @Test func `what was lent and not taken goes back when the processor goes on`() throws {
      for _ in 0..<3 {
        try asProcessor(1) { try CacheUse.fill() }
        let cached = FrameAllocator.statistics.cachedFrameCount
        #expect(cached > 0)
        #expect(FrameAllocator.withRequest(of: 1) { $0.make() })
        // The second time changes nothing.
        for _ in 0..<2 { asProcessor(1) { FrameAllocator.lendCache() } }
        #expect(FrameAllocator.statistics.cachedFrameCount == cached)
        #expect(machine.violations == [])
        try asProcessor(1) {
          let address = try FrameAllocator.allocate(1, .uninitialized)
          #expect(FrameAllocator.statistics.usedFrameCount == 1)
          FrameAllocator.free(address)
        }
        #expect(FrameAllocator.statistics.usedFrameCount == 0)
        #expect(machine.violations == [])
      }
      #expect(CacheUse.allocateAll().count < Self.frameCount)
    }

    @Test func `a processor that closes a lent cache leaves all frames to others`() throws {
      try asProcessor(1) {
        try CacheUse.fill()
        #expect(FrameAllocator.withRequest(of: 1) { $0.make() })
        FrameAllocator.lendCache()
        FrameAllocator.closeCache()
      }
      #expect(CacheUse.allocateAll().count == Self.frameCount)
      #expect(machine.violations == [])
    }

    @Test(arguments: [1, 2, 5, 64])
    func `no two processors write to one cache line`(processorCount: Int) {
      let machine = SimulatedMachine(frameCount: 64, processorCount: processorCount)
      var lines: Set<UInt> = []
      FrameAllocator.withLock { state, _ in
        for processor in 0..<processorCount {
          let caches = UInt(bitPattern: state.caches)
          let start = caches + UInt(processor * ProcessorCache.byteCount)
          let request = caches - UInt((processor + 1) * ProcessorCache.requestByteCount)
          #expect(start % 64 == 0 && request % 64 == 0)
          for line in 0..<UInt(ProcessorCache.byteCount) / 64 { lines.insert(start / 64 + line) }
          lines.insert(request / 64)
        }
      } external: {
      }
      #expect(lines.count == processorCount * (ProcessorCache.byteCount / 64 + 1))
      #expect(machine.violations == [])
    }
  }
}
