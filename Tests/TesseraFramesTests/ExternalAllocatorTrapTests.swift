import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// Each invalid result of the kernel's allocator panics with its own text.
  @Suite("Traps of the external allocator") struct ExternalAllocatorTrapTests {
    /// A small PC: low memory, a kernel, a module, ACPI tables, a hole. The slots of its 2048
    /// frames occupy 32, and the rest of the metadata one.
    private static let regions = [
      region(0x0000_0000, 0x0010_0000, .usable),
      region(0x0010_0000, 0x0060_0000, .usable),
      region(0x0010_0000, 0x0014_0000, .kernelImage),
      region(0x0020_0000, 0x0020_0800, .module),
      region(0x0060_0000, 0x0061_0000, .acpiReclaimable),
      region(0x0070_0000, 0x0080_0000, .usable),
    ]

    private static func region(
      _ start: UInt64, _ end: UInt64, _ kind: MemoryKind
    ) -> MemoryRegion {
      MemoryRegion(start: PhysicalAddress(start), end: PhysicalAddress(end), kind: kind)
    }

    /// The pool allocates from 3 MiB upwards, the metadata first.
    static let metadata: UInt64 = 0x30_0000

    static func makePool() -> KernelPool { KernelPool([0x300..<0x600, 0x700..<0x800]) }

    static func start() throws -> KernelPool {
      let pool = makePool()
      let machine = try SimulatedMachine(booting: regions, pool: pool)
      machine.stayPermanently()
      return pool
    }

    @Test func `a kernel starts on the memory of its own allocator`() throws {
      let pool = Self.makePool()
      let machine = try SimulatedMachine(booting: Self.regions, pool: pool)
      #expect(pool.givenCount == 33)
      #expect(machine.totals.metadata == 33)
      #expect(machine.totals.total == 0x800)
      let census = FrameTable.census
      #expect(census.count(of: .metadata) == 33)
      #expect(census.count(of: .external) == machine.totals.usable)
      #expect(census.count(of: .kernel) == machine.totals.kernel)
      #expect(census.free == 0)
      #expect(census.unused == machine.totals.usable + machine.totals.low)
      #expect(FrameAllocator.statistics.managedFrameCount == machine.totals.usable)
      var count: UInt64 = 0
      while let address = try? FrameAllocator.allocate() {
        #expect(address.rawValue >= 0x30_0000)
        count += 1
      }
      #expect(count == 0x300 + 0x100 - 33)
      #expect(pool.outCount == 0x400)
      #expect(machine.violations == [])
    }

    @Test func `starting fails without memory for the metadata`() throws {
      let pool = Self.makePool()
      pool.failCall(1)
      #expect(throws: TesseraError.outOfFrames) {
        _ = try SimulatedMachine(booting: Self.regions, pool: pool)
      }
      #expect(pool.givenCount == 0)
      let small = KernelPool([0x300..<0x320])
      #expect(throws: TesseraError.outOfFrames) {
        _ = try SimulatedMachine(booting: Self.regions, pool: small)
      }
      #expect(small.givenCount == 0 && small.problems == [])
    }

    @Test func `donated memory of the image goes to the kernel's allocator`() throws {
      let pool = Self.makePool()
      let machine = try SimulatedMachine(booting: Self.regions, pool: pool)
      let managed = FrameAllocator.statistics.managedFrameCount
      try unsafe FrameAllocator.donateReserved(
        from: PhysicalAddress(0x10_0000), to: PhysicalAddress(0x14_0000))
      #expect(FrameAllocator.statistics.managedFrameCount == managed + 64)
      #expect(pool.takeFreed() == [])
      #expect(machine.violations == [])
      pool.add(0x100..<0x140)
      let low = try FrameAllocator.allocate(64, FrameRequest(below: PhysicalAddress(0x14_0000)))
      #expect(low.rawValue == 0x10_0000)
      FrameAllocator.free(low, 64)
      #expect(machine.violations == [])
    }

    /// An invalid result, the request, and the text of the panic.
    struct Nonsense: Codable, Sendable, CustomTestStringConvertible {
      var testDescription: String
      var answer: UInt64
      var frameCount = 1
      var alignment: UInt64 = 4096
      var limit: UInt64 = 1 << 52
      var sentence: String
    }

    private static let cases: [Nonsense] = [
      Nonsense(
        testDescription: "an address in a page", answer: 0x40_0008,
        sentence: "an address without the requested alignment: 0x400008"),
      Nonsense(
        testDescription: "one byte", answer: 1,
        sentence: "an address without the requested alignment: 0x1"),
      Nonsense(
        testDescription: "a number that stands for an error", answer: .max,
        sentence: "an address without the requested alignment: 0xffffffffffffffff"),
      Nonsense(
        testDescription: "a frame that is less aligned than was asked for", answer: 0x41_0000,
        alignment: 0x20_0000,
        sentence: "an address without the requested alignment: 0x410000"),
      Nonsense(
        testDescription: "the end of memory", answer: 0x80_0000,
        sentence: "frames beyond the end of memory: 0x800000"),
      Nonsense(
        testDescription: "a run over the end of memory", answer: 0x7f_f000, frameCount: 2,
        sentence: "frames beyond the end of memory: 0x7ff000"),
      Nonsense(
        testDescription: "beyond what a processor can address", answer: 1 << 52,
        sentence: "frames beyond the end of memory: 0x10000000000000"),
      Nonsense(
        testDescription: "a virtual address", answer: 0xffff_8000_0040_0000,
        sentence: "frames beyond the end of memory: 0xffff800000400000"),
      Nonsense(
        testDescription: "the last page of all", answer: .max & ~4095, frameCount: 3,
        sentence: "frames beyond the end of memory: 0xfffffffffffff000"),
      Nonsense(
        testDescription: "a frame above the limit", answer: 0x50_0000, limit: 0x50_0000,
        sentence: "frames above the requested limit: 0x500000"),
      Nonsense(
        testDescription: "a run over the limit", answer: 0x4f_f000, frameCount: 2,
        limit: 0x50_0000, sentence: "frames above the requested limit: 0x4ff000"),
      Nonsense(
        testDescription: "low memory", answer: 0x8000,
        sentence: "reserved low memory: 0x8000"),
      Nonsense(
        testDescription: "the last frame of low memory", answer: 0xf_f000,
        sentence: "reserved low memory: 0xff000"),
      Nonsense(
        testDescription: "the kernel's image", answer: 0x10_0000,
        sentence: "memory of the kernel's image or loader: 0x100000"),
      Nonsense(
        testDescription: "a module", answer: 0x20_0000,
        sentence: "memory of the kernel's image or loader: 0x200000"),
      Nonsense(
        testDescription: "the slots", answer: metadata,
        sentence: "memory of Tessera's metadata: 0x300000"),
      Nonsense(
        testDescription: "ACPI tables", answer: 0x60_0000, sentence: "reserved memory: 0x600000"),
      Nonsense(testDescription: "a hole", answer: 0x6f_f000, sentence: "reserved memory: 0x6ff000"),
      Nonsense(
        testDescription: "a run over the end of a region", answer: 0x5f_e000, frameCount: 4,
        sentence: "reserved memory: 0x600000"),
      Nonsense(
        testDescription: "a run into a module", answer: 0x1f_f000, frameCount: 2,
        sentence: "memory of the kernel's image or loader: 0x200000"),
    ]

    @Test(arguments: cases)
    func `an invalid result traps`(nonsense: Nonsense) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [nonsense] in
        let pool = try OnSimulatedMachine.ExternalAllocatorTrapTests.start()
        _ = try FrameAllocator.allocate()
        pool.answerNext(nonsense.answer)
        let request = FrameRequest(
          isZeroed: false, below: PhysicalAddress(nonsense.limit), alignment: nonsense.alignment)
        _ = try FrameAllocator.allocate(nonsense.frameCount, request)
      }
      try expectPanic(in: result, "allocate_frames returned " + nonsense.sentence)
    }

    /// An owner of frames.
    enum Holder: String, Codable, Sendable, CaseIterable {
      case raw, handle, uniqueHandle, segment, largeFrame, claimed, freedTwice, inTheRun
    }

    /// Allocates from the pool, and returns the address of a frame that is in use.
    static func use(_ holder: Holder, _ pool: KernelPool) throws -> UInt64 {
      switch holder {
      case .raw: return try FrameAllocator.allocate().rawValue
      case .handle:
        return try Frame(allocating: PlainMemory()).relinquish().rawValue
      case .uniqueHandle:
        return try UniqueFrame(allocating: PlainMemory()).relinquish().rawValue
      case .segment:
        let raw = try FrameAllocator.allocate(5)
        return raw.rawValue + 3 * 4096
      case .largeFrame:
        let frame = try Frame(
          allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
        return frame.relinquish().rawValue + 77 * 4096
      case .claimed:
        let frame = try Frame(claiming: PhysicalAddress(0x78_0000), metadata: PlainMemory())
        return frame.relinquish().rawValue
      case .freedTwice:
        // The pool's list has it twice: it is given, freed, given, and given again.
        let first = try FrameAllocator.allocate()
        FrameAllocator.free(first)
        pool.answerNext(first.rawValue)
        return try FrameAllocator.allocate().rawValue
      case .inTheRun: return try FrameAllocator.allocate().rawValue - 2 * 4096
      }
    }

    @Test(arguments: Holder.allCases)
    func `a frame that Tessera already has traps`(holder: Holder) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [holder] in
        let pool = try OnSimulatedMachine.ExternalAllocatorTrapTests.start()
        // What lies before is free again.
        FrameAllocator.free(try FrameAllocator.allocate(5), 5)
        let address = try OnSimulatedMachine.ExternalAllocatorTrapTests.use(holder, pool)
        pool.answerNext(address)
        if holder == .inTheRun {
          // Where a run begins that is free but for its last frame.
          _ = try Segment(allocating: 3) { _ in PlainMemory() }
        } else {
          _ = try Frame(allocating: PlainMemory())
        }
      }
      try expectPanic(in: result, "allocate_frames returned a frame that Tessera already has: 0x")
    }

    private static let metadataCases: [Nonsense] = [
      Nonsense(
        testDescription: "an address in a page", answer: 0x40_0010,
        sentence: "an address without the requested alignment: 0x400010"),
      Nonsense(
        testDescription: "beyond the end", answer: 0x80_0000,
        sentence: "frames beyond the end of memory: 0x800000"),
      Nonsense(
        testDescription: "over the end", answer: 0x7f_0000,
        sentence: "frames beyond the end of memory: 0x7f0000"),
      Nonsense(
        testDescription: "low memory", answer: 0x1000,
        sentence: "reserved low memory: 0x1000"),
      Nonsense(
        testDescription: "the image", answer: 0x13_f000,
        sentence: "memory of the kernel's image or loader: 0x13f000"),
      Nonsense(
        testDescription: "into a module", answer: 0x1f_0000,
        sentence: "memory of the kernel's image or loader: 0x200000"),
      Nonsense(
        testDescription: "out of a region", answer: 0x5f_0000,
        sentence: "reserved memory: 0x600000"),
      Nonsense(testDescription: "a hole", answer: 0x62_0000, sentence: "reserved memory: 0x620000"),
      Nonsense(
        testDescription: "a hole, up to a region", answer: 0x6f_f000,
        sentence: "reserved memory: 0x6ff000"),
    ]

    @Test(arguments: metadataCases)
    func `metadata memory that is not usable traps`(nonsense: Nonsense) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [nonsense] in
        let pool = OnSimulatedMachine.ExternalAllocatorTrapTests.makePool()
        pool.answerNext(nonsense.answer)
        _ = try SimulatedMachine(
          booting: OnSimulatedMachine.ExternalAllocatorTrapTests.regions, pool: pool)
      }
      try expectPanic(in: result, "allocate_frames returned " + nonsense.sentence)
    }

    @Test func `freeing a frame twice traps before the kernel's allocator is called`() async throws
    {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = try OnSimulatedMachine.ExternalAllocatorTrapTests.start()
        let address = try FrameAllocator.allocate()
        FrameAllocator.free(address)
        FrameAllocator.free(address)
      }
      try expectPanic(in: result, "freed a frame that is already free: 0x")
    }

    @Test func `frames that do not match the statistics are reported`() throws {
      let machine = try SimulatedMachine(booting: Self.regions, pool: Self.makePool())
      let address = try FrameAllocator.allocate()
      #expect(machine.violations == [])
      let slot = try FrameTable.slot(at: address)
      slot.setKind(.external)
      #expect(
        machine.violations == [
          "used frame count does not match the slots of allocated frames",
          "free frame count does not match the slots of external frames",
        ])
      slot.setKind(.cached)
      slot.setCount(ReferenceCount.free)
      #expect(machine.violations.count == 1)
      #expect(
        machine.violations.first?.hasPrefix(
          "frame is free although the kernel has its own allocator") == true)
      slot.makeUnowned(as: .plain)
      FrameAllocator.free(address)
      #expect(machine.violations == [])
    }

    @Test func `an external frame without an external allocator is reported`()
      throws
    {
      let machine = SimulatedMachine(frameCount: 16)
      let address = try FrameAllocator.allocate()
      let slot = try FrameTable.slot(at: address)
      slot.makeUnowned(as: .external)
      #expect(machine.violations.count == 1)
      slot.makeUnowned(as: .plain)
      FrameAllocator.free(address)
      #expect(machine.violations == [])
    }
  }
}
