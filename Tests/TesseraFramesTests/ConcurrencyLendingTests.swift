import Scenarios
import SimulatedMachine
import Synchronization
import TesseraHardware
import TestSupport
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine.ConcurrencyTests {
  /// Processors that use up memory together.
  @Suite("Concurrent shortage") struct ConcurrencyLendingTests {
    private static let rounds = Seed.rounds(120, ofRange: 10)
    private static let frameCount = 700

    /// In each round all processors use up memory together, and each frees some frames. Then one
    /// allocates until a request fails, while the others do no more than take interrupts: it has to
    /// get what they freed, all of it.
    @Test(.seeded(3), arguments: [2, 3, 4])
    func `what others freed is found, wherever it is cached`(processorCount: Int) {
      let machine = SimulatedMachine(
        frameCount: Self.frameCount, processorCount: processorCount)
      Interrupts.connect()
      FrameAllocator.setPatience(1 << 24)
      defer { FrameAllocator.setPatience(FrameAllocator.usualPatience) }
      let meeting = Meeting(of: processorCount)
      let kept = Atomic<Int>(0)
      let isOver = Atomic<Bool>(false)
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor + 1) << 32)
        for round in 0..<Self.rounds {
          var held = Self.allocateAll(atMost: round % 2 == 0 ? .max : 200)
          Self.meet(meeting)
          // From few that end in a cache to so many that frames are no longer short.
          for _ in 0..<random.below(held.count + 1) { FrameAllocator.free(held.removeLast()) }
          kept.wrappingAdd(held.count, ordering: .relaxed)
          isOver.store(false, ordering: .relaxed)
          Self.meet(meeting)
          if processor == round % processorCount {
            let others = kept.load(ordering: .relaxed)
            let found = Self.allocateAll(atMost: .max)
            #expect(others + found.count == Self.frameCount)
            #expect(FrameAllocator.statistics.usedFrameCount == UInt64(Self.frameCount))
            held += found
            kept.store(0, ordering: .relaxed)
            isOver.store(true, ordering: .releasing)
          } else {
            while !isOver.load(ordering: .acquiring) { SimulatedMachine.takeInterrupt() }
          }
          Self.meet(meeting)
          for address in held { FrameAllocator.free(address) }
        }
      }
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    /// Waits for the other processors, and takes interrupts meanwhile.
    private static func meet(_ meeting: Meeting) {
      meeting.wait { SimulatedMachine.takeInterrupt() }
    }

    private static func allocateAll(atMost limit: Int) -> [PhysicalAddress] {
      var addresses: [PhysicalAddress] = []
      while addresses.count < limit,
        let address = try? FrameAllocator.allocate(1, .uninitialized)
      {
        addresses.append(address)
        SimulatedMachine.takeInterrupt()
      }
      return addresses
    }

    /// Frames travel from one processor to another and are lent at any moment; the numbers add up
    /// once nothing runs.
    @Test(.seeded(4), arguments: [2, 4])
    func `frames lent while all processors allocate and free are neither lost nor doubled`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(
        frameCount: 151, reserved: 1, processorCount: processorCount)
      Interrupts.connect()
      let mailbox = Mailbox()
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor + 1) << 32)
        for round in 0..<Self.rounds * 60 {
          let mark = UInt64(processor + 1) << 32 | UInt64(round)
          if let frame = try? Frame(allocating: PlainMemory(), .uninitialized) {
            Stamp.write(mark, to: frame)
            #expect(Stamp.read(frame) == mark)
            let address = frame.relinquish().rawValue
            let place = random.below(Mailbox.count)
            mailbox.exchange(address, at: place).map(Self.drop)
          }
          if random.oneIn(3) {
            mailbox.exchange(0, at: random.below(Mailbox.count)).map(Self.drop)
          }
          if random.oneIn(16) {
            let asked = random.below(processorCount)
            FrameAllocator.withLock { state, _ in
              _ = state.cache(of: asked).request.make()
            } external: {
            }
          }
          SimulatedMachine.takeInterrupt()
        }
      }
      for place in 0..<Mailbox.count { mailbox.exchange(0, at: place).map(Self.drop) }
      for processor in 0..<processorCount {
        asProcessor(processor) { SimulatedMachine.takeInterrupt() }
      }
      let now = FrameAllocator.statistics
      #expect(now.usedFrameCount == 0)
      #expect(now.freeFrameCount + now.cachedFrameCount == 150)
      #expect(CacheUse.allocateAll().count == 150)
      #expect(machine.violations == [])
    }

    /// Drops the reference to the frame at `address` that was passed with it.
    private static func drop(_ address: UInt64) {
      _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address))
    }
  }
}
