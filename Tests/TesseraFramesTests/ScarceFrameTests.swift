import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// A processor's cache does not keep what others need.
  @Suite("Scarce frames") struct ScarceFrameTests {
    private static let border = 16 << 8

    /// A machine with 128 frames below 16 MiB, and 2,048 above.
    private func machine(processorCount: Int = 1) -> SimulatedMachine {
      SimulatedMachine(
        frameCount: Self.border + 2048, reserved: Self.border - 128,
        processorCount: processorCount, isFilled: false)
    }

    private var low: FrameRequest {
      FrameRequest(isZeroed: false, below: PhysicalAddress(16 << 20))
    }

    private func isLow(_ address: PhysicalAddress) -> Bool { address.frameNumber < Self.border }

    @Test func `a segment of one frame that was dropped is used again`() throws {
      let machine = machine()
      var addresses: Set<UInt64> = []
      for _ in 0..<200 {
        let segment = try Segment(allocating: 1, .uninitialized) { _ in PlainMemory() }
        addresses.insert(segment.address.rawValue)
      }
      #expect(addresses.count == 1)
      #expect(machine.violations == [])
    }

    @Test func `low frames that were dropped are not allocated without a limit`() throws {
      let machine = machine()
      for _ in 0..<100 { _ = try Frame(allocating: PlainMemory(), low) }
      #expect(FrameAllocator.statistics.cachedFrameCount == 0)
      for _ in 0..<200 { #expect(!isLow(try FrameAllocator.allocate(1, .uninitialized))) }
      #expect(machine.violations == [])
    }

    @Test func `low frames freed on one processor are there for another`() throws {
      let machine = machine(processorCount: 2)
      var addresses: [PhysicalAddress] = []
      for _ in 0..<128 { addresses.append(try FrameAllocator.allocate(1, low)) }
      for address in addresses { FrameAllocator.free(address) }
      try asProcessor(1) {
        for _ in 0..<128 {
          let address = try FrameAllocator.allocate(1, low)
          #expect(isLow(address))
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `low frames taken for want of others do not stay in a cache`() throws {
      let machine = machine(processorCount: 2)
      for _ in 0..<2048 { #expect(!isLow(try FrameAllocator.allocate(1, .uninitialized))) }
      #expect(isLow(try FrameAllocator.allocate(1, .uninitialized)))
      try asProcessor(1) {
        for _ in 0..<127 {
          let address = try FrameAllocator.allocate(1, low)
          #expect(isLow(address))
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `frames are cached where there is no other memory`() throws {
      let machine = SimulatedMachine(frameCount: 512)
      let address = try FrameAllocator.allocate(1, .uninitialized)
      let cached = FrameAllocator.statistics.cachedFrameCount
      FrameAllocator.free(address)
      #expect(FrameAllocator.statistics.cachedFrameCount == cached + 1)
      #expect(machine.violations == [])
    }

    @Test func `a run that is no block is used before low frames`() throws {
      let machine = machine()
      var all: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate(1, .uninitialized) { all.append(address) }
      // Above 16 MiB, three of each four frames are free: blocks of one and of two.
      for address in all where isLow(address) || address.frameNumber % 4 != 0 {
        FrameAllocator.free(address)
      }
      FrameAllocator.drainCache()
      for _ in 0..<512 { #expect(!isLow(try FrameAllocator.allocate(3, .uninitialized))) }
      #expect(isLow(try FrameAllocator.allocate(3, .uninitialized)))
      #expect(machine.violations == [])
    }

    @Test func `a storm of frames and segments touches no low frame`() throws {
      let machine = machine()
      var all: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate(1, .uninitialized) { all.append(address) }
      // Every other frame above 16 MiB stays taken, but in the first quarter.
      for address in all {
        let number = Int(address.frameNumber)
        if number < Self.border + 512 || number % 2 == 0 { FrameAllocator.free(address) }
      }
      FrameAllocator.drainCache()
      for round in 0..<4000 {
        let frame = try Frame(allocating: PlainMemory(), .uninitialized)
        let count = 1 + round % 7
        let segment = try Segment(allocating: count, .uninitialized) { _ in PlainMemory() }
        #expect(!isLow(frame.address) && !isLow(segment.address))
        if round % 5 == 0 { _ = try Frame(allocating: PlainMemory(), low) }
      }
      #expect(FrameAllocator.statistics.cachedFrameCount > 0)
      #expect(machine.violations == [])
    }
  }
}
