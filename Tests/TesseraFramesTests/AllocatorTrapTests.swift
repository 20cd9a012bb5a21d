import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// Each misuse of the allocator panics with its own text.
  @Suite("Traps of the allocator") struct AllocatorTrapTests {
    @Test func `freeing a frame twice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let address = try FrameAllocator.allocate()
        FrameAllocator.free(address)
        FrameAllocator.free(address)
      }
      try expectPanic(in: result, "freed a frame that is already free: 0x")
    }

    @Test func `freeing a frame of a merged block traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x5000))
      }
      try expectPanic(in: result, "freed a frame that is already free: 0x5000")
    }

    @Test func `freeing a reserved frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8, reserved: 2)
        FrameAllocator.free(PhysicalAddress(0x1000))
      }
      try expectPanic(in: result, "freed a frame that was never allocated: 0x1000")
    }

    @Test func `freeing a frame that a handle holds traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        let frame = try Frame(allocating: PlainMemory())
        FrameAllocator.free(frame.address)
      }
      try expectPanic(in: result, "freed a frame that a handle holds: 0x")
    }

    @Test func `freeing an address inside a frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1008))
      }
      try expectPanic(in: result, "freed an address that is not aligned to 4 KiB: 0x1008")
    }

    @Test func `freeing beyond all frames traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x8000))
      }
      try expectPanic(in: result, "freed an address beyond the frame table: 0x8000")
    }

    @Test func `freeing a run beyond all frames traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1000), Int.max)
      }
      try expectPanic(in: result, "freed an address beyond the frame table: 0x1000")
    }

    @Test func `freeing no frames traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.free(PhysicalAddress(0x1000), 0)
      }
      try expectPanic(in: result, "freed a run of no frames: 0x1000")
    }

    @Test func `an alignment that is not a power of two traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try FrameAllocator.allocate(1, FrameRequest(alignment: 0x3000))
      }
      try expectPanic(in: result, "alignment is not a power of two")
    }

    @Test func `a processor number out of range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8, processorCount: 2)
        try asProcessor(2) { try FrameAllocator.allocate() }
      }
      try expectPanic(
        in: result, "a processor has a higher number than the allocator was started with")
    }

    @Test func `donating a frame twice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        FrameAllocator.donate(from: PhysicalAddress(0x3000), to: PhysicalAddress(0x4000))
      }
      try expectPanic(in: result, "donated a frame that is not unused: 0x3000")
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
      try expectPanic(in: result, "free frame was written to: 0x")
    }

    @Test func `a physical address above 2^52 traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = PhysicalAddress(1 << 52 | 1)
      }
      try expectPanic(in: result, "physical address is above 2^52")
    }

    @Test func `an address that would wrap traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = PhysicalAddress(0x1000) + .max
      }
      try expectPanic(
        in: result, "physical address was advanced past 2^52: 0x1000")
    }
  }
}
