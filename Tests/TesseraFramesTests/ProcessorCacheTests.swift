import Scenarios
import SimulatedMachine
import TesseraHardware
import TestSupport
import Testing

@testable import TesseraFrames

/// The order in which a test frees frames.
enum FreeingOrder: CaseIterable {
  case ascending, descending, alternating, shuffled

  func applied(to addresses: [PhysicalAddress]) -> [PhysicalAddress] {
    switch self {
    case .ascending: return addresses
    case .descending: return addresses.reversed()
    case .alternating:
      return addresses.indices.filter { $0 % 2 == 0 }.map { addresses[$0] }
        + addresses.indices.filter { $0 % 2 == 1 }.map { addresses[$0] }
    case .shuffled:
      var generator = SplitMix(seed: Seed.current)
      return addresses.shuffled(using: &generator)
    }
  }
}

extension OnSimulatedMachine {
  @Suite("Processor cache") struct ProcessorCacheTests {
    // Zones meet at frame 4096, so that frames of both pass through one cache.
    let machine = SimulatedMachine(frameCount: 4096 + 512, reserved: 4096 - 300)

    @Test(.seeded(7), arguments: FreeingOrder.allCases)
    func `frames freed through a cache merge again`(order: FreeingOrder) throws {
      let before = FrameAllocator.statistics
      var addresses: [PhysicalAddress] = []
      for _ in 0..<700 { addresses.append(try FrameAllocator.allocate()) }
      #expect(machine.violations == [])
      for (index, address) in order.applied(to: addresses).enumerated() {
        FrameAllocator.free(address)
        if index % 50 == 0 { #expect(machine.violations == []) }
      }
      FrameAllocator.drainCache()
      #expect(FrameAllocator.statistics == before)
      #expect(machine.violations == [])
    }

    @Test func `the frame freed last is allocated first`() throws {
      let first = try FrameAllocator.allocate()
      let second = try FrameAllocator.allocate()
      FrameAllocator.free(first)
      FrameAllocator.free(second)
      #expect(try FrameAllocator.allocate() == second)
      #expect(try FrameAllocator.allocate() == first)
    }

    @Test func `a full cache keeps the frames freed last`() throws {
      var addresses: [PhysicalAddress] = []
      for _ in 0..<100 { addresses.append(try FrameAllocator.allocate()) }
      FrameAllocator.drainCache()
      for address in addresses { FrameAllocator.free(address) }
      for address in addresses.suffix(32).reversed() {
        #expect(try FrameAllocator.allocate() == address)
      }
      #expect(machine.violations == [])
    }

    @Test func `a cache that an interrupt handler filled is not refilled`() throws {
      let address = try FrameAllocator.allocate()
      FrameAllocator.free(address)
      let cached = FrameAllocator.statistics.cachedFrameCount
      let isRefilled = FrameAllocator.withLock { state, cache in
        cache.refill(from: &state) != nil
      } external: {
        true
      }
      #expect(!isRefilled)
      #expect(try FrameAllocator.allocate() == address)
      #expect(FrameAllocator.statistics.cachedFrameCount == cached - 1)
    }

    @Test func `a full cache accepts no frame`() throws {
      FrameAllocator.drainCache()
      let isLastAccepted = FrameAllocator.withCache { cache in
        for number in 0..<63 {
          guard cache.push(FrameTable.slot(number: UInt64(number))) else { return true }
        }
        let isAccepted = cache.push(FrameTable.slot(number: 63))
        for _ in 0..<63 where cache.pop() == nil { return true }
        return isAccepted || cache.pop() != nil
      }
      #expect(!isLastAccepted)
      #expect(machine.violations == [])
    }
  }
}
