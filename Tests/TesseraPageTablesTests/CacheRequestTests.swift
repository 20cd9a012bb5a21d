import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// The frame allocator asks processors in the same way as for a flush.
  @Suite("Requests for cached frames") struct CacheRequestTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512, processorCount: 4)
      try machine.startKernelSpace()
    }

    /// Puts frames into the caches of processors 1 to 3.
    private func fillCaches() throws {
      for processor in 1...3 {
        try asProcessor(processor) {
          var addresses: [PhysicalAddress] = []
          for _ in 0..<40 { addresses.append(try FrameAllocator.allocate(1, .uninitialized)) }
          for address in addresses { FrameAllocator.free(address) }
        }
      }
    }

    private func allocateAll() {
      while (try? FrameAllocator.allocate(1, .uninitialized)) != nil {}
    }

    @Test func `processors that have been started lend their frames`() throws {
      try machine.startProcessors()
      try fillCaches()
      allocateAll()
      let now = FrameAllocator.statistics
      #expect(now.freeFrameCount == 0 && now.cachedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `processors that have not been started are not interrupted`() throws {
      try fillCaches()
      allocateAll()
      #expect(FrameAllocator.statistics.freeFrameCount == 0)
      #expect(FrameAllocator.statistics.cachedFrameCount > 90)
      #expect(machine.violations == [])
    }
  }
}
