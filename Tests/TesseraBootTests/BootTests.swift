import SimulatedMachine
import Tessera
import Testing

extension OnSimulatedMachine {
  @Suite("Start on a memory map") struct BootTests {
    /// A small PC: low memory with a part reserved by firmware, a kernel, a module, ACPI tables,
    /// a hole, and a range of devices far above.
    private static let regions = [
      region(0x0000_0000, 0x0009_fc00, .usable),
      region(0x0009_fc00, 0x0010_0000, .reserved),
      region(0x0010_0000, 0x0060_0000, .usable),
      region(0x0010_0000, 0x0014_0000, .kernelImage),
      region(0x0020_0000, 0x0020_0800, .module),
      region(0x0060_0000, 0x0061_0000, .acpiReclaimable),
      region(0x0070_0000, 0x0080_0000, .usable),
      region(0xfd_0000_0000, 0x100_0000_0000, .reserved),
    ]

    private static func region(
      _ start: UInt64, _ end: UInt64, _ kind: MemoryKind
    ) -> MemoryRegion {
      MemoryRegion(start: PhysicalAddress(start), end: PhysicalAddress(end), kind: kind)
    }

    @Test func `the totals add up to the table`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      let totals = machine.totals
      #expect(FrameTable.frameCount == 0x800)
      #expect(totals.total == FrameTable.frameCount)
      #expect(totals.low == 0x9f)
      #expect(totals.kernel == 0x40 + 1)
      #expect(totals.reserved == 0x61 + 0x10)
      #expect(totals.holes == 0xf0)
      // 0x800 slots of 64 bytes are 32 frames; the allocator's state fits in one more.
      #expect(totals.metadata == 33)
      #expect(totals.usable == 0x600 - 0x100 - 0x40 - 1 + 0x100 - 33)
      #expect(machine.violations == [])
    }

    @Test func `every frame has the kind that the map gives it`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      let census = FrameTable.census
      #expect(census.free == machine.totals.usable)
      #expect(census.unused == machine.totals.low)
      #expect(census.count(of: .kernel) == machine.totals.kernel)
      #expect(census.count(of: .metadata) == machine.totals.metadata)
      #expect(census.count(of: .reserved) == machine.totals.reserved + machine.totals.holes)
      #expect(FrameAllocator.statistics.managedFrameCount == machine.totals.usable)
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
    }

    @Test func `only usable memory above low memory is allocated`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      var count: UInt64 = 0
      while let address = try? FrameAllocator.allocate() {
        let number = address.frameNumber
        #expect((0x140..<0x600).contains(number) || (0x700..<0x800).contains(number))
        #expect(number != 0x200)
        count += 1
      }
      #expect(count == machine.totals.usable)
    }

    @Test func `low memory is claimed by address and is unused after its last reference`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      let trampoline = PhysicalAddress(0x8000)
      do {
        let frame = try Frame(claiming: trampoline, metadata: PlainMemory())
        #expect(frame.usage == .object)
        #expect(throws: TesseraError.inUse) {
          _ = try Frame(claiming: trampoline, metadata: PlainMemory())
        }
      }
      #expect(throws: TesseraError.unused) { _ = try AnyFrame(sharing: trampoline) }
      #expect(FrameTable.census.unused == machine.totals.low)
      _ = try Frame(claiming: trampoline, metadata: PlainMemory())
    }

    @Test func `permanently used frames can be shared but not claimed`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      let kernel = PhysicalAddress(0x10_0000)
      #expect(throws: TesseraError.inUse) {
        _ = try Frame(claiming: kernel, metadata: PlainMemory())
      }
      for _ in 0..<2 {
        let frame = try AnyFrame(sharing: kernel)
        #expect(frame.usage == .kernel)
      }
      #expect(FrameTable.census.count(of: .kernel) == machine.totals.kernel)
      #expect(machine.violations == [])
    }

    @Test func `the end of memory is out of bounds, and the last frame is not`() throws {
      let machine = try SimulatedMachine(booting: Self.regions)
      #expect(FrameTable.end == PhysicalAddress(0x80_0000))
      _ = try Frame(claiming: PhysicalAddress(0x7f_f000), metadata: PlainMemory())
      for address in [0x80_0000, 0xfd_0000_0000, 1 << 52] as [UInt64] {
        #expect(throws: TesseraError.outOfBounds) {
          _ = try AnyFrame(sharing: PhysicalAddress(address))
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `memory too small for its own metadata is an error`() {
      #expect(throws: TesseraError.outOfFrames) {
        _ = try SimulatedMachine(booting: [Self.region(0x10_0000, 0x10_1000, .usable)])
      }
      #expect(throws: TesseraError.outOfFrames) { _ = try SimulatedMachine(booting: []) }
    }

    @Test func `there is a cache for each processor`() throws {
      let machine = try SimulatedMachine(booting: Self.regions, processorCount: 64)
      try asProcessor(63) { FrameAllocator.free(try FrameAllocator.allocate()) }
      #expect(FrameAllocator.statistics.cachedFrameCount == 32)
      #expect(machine.violations == [])
    }
  }
}
