import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// What only a wrong program does stops it with a sentence. Each test matches its own.
  @Suite("Traps of the allocator") struct AllocatorTrapTests {
    @Test func `freeing a frame twice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let address = try FrameAllocator.allocate()
        FrameAllocator.free(address)
        FrameAllocator.free(address)
      }
      try expectPanic(in: result, "freed a frame that is free already: 0x")
    }

    @Test func `freeing a frame of a merged block traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x5000))
      }
      try expectPanic(in: result, "freed a frame that is free already: 0x5000")
    }

    @Test func `freeing a frame that was kept back traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8, keptBack: 2)
        FrameAllocator.free(PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "freed a frame that was never allocated: 0x1000")
    }

    @Test func `freeing a frame that a handle holds traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        FrameAllocator.free(frame.address)
      }
      try expectPanic(in: result, "freed a frame that a handle holds: 0x")
    }

    @Test func `freeing an address inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1008))
      }
      try expectPanic(in: result, "freed an address that is no frame's start: 0x1008")
    }

    @Test func `freeing beyond all frames traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x8000))
      }
      try expectPanic(in: result, "freed an address beyond all frames: 0x8000")
    }

    @Test func `freeing more frames than there are traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1000), Int.max)
      }
      try expectPanic(in: result, "freed an address beyond all frames: 0x1000")
    }

    @Test func `freeing no frames traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1000), 0)
      }
      try expectPanic(in: result, "freed no frames at all: 0x1000")
    }

    @Test func `an alignment that is no power of two traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        _ = try FrameAllocator.allocate(1, FrameRequest(alignment: 0x3000))
      }
      try expectPanic(in: result, "an alignment must be a power of two")
    }

    @Test func `a processor number beyond the machine's traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 8, processorCount: 2)
        machine.becomeProcessor(2)
        _ = try FrameAllocator.allocate()
      }
      try expectPanic(
        in: result, "a processor has a higher number than the allocator was started with")
    }

    @Test func `giving the allocator a frame twice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.forGood(frameCount: 8)
        FrameAllocator.donate(from: PhysicalAddress(0x3000), to: PhysicalAddress(0x4000))
      }
      try expectPanic(in: result, "gave the allocator a frame that is not unused: 0x3000")
    }

    @Test func `allocating before the start traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = try FrameAllocator.allocate()
      }
      try expectPanic(in: result, "the frame allocator was used before it was started")
    }

    @Test func `writing to a freed frame traps when it is allocated again`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 8)
        machine.poisonFreedFrames()
        let address = try FrameAllocator.allocate()
        FrameAllocator.free(address)
        unsafe PhysicalMemory.pointer(to: address).storeBytes(
          of: 1, toByteOffset: 4088, as: UInt64.self)
        _ = try FrameAllocator.allocate()
      }
      try expectPanic(in: result, "memory was written after it was freed, in the frame: 0x")
    }

    @Test func `a physical address above 2^52 traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = PhysicalAddress(1 << 52 | 1)
      }
      try expectPanic(in: result, "a physical address has at most 52 bits")
    }

    @Test func `an address that would wrap traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = PhysicalAddress(0x1000) + .max
      }
      try expectPanic(
        in: result, "a physical address was advanced past the end of physical memory: 0x1000")
    }
  }
}
