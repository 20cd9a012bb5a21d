import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  /// The frame allocator gets pooled nodes back before a request fails.
  @Suite("Reclaimed nodes") struct NodeReclaimTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1536)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    /// Fills the pool, so that no more fit in.
    private func fillPool() throws {
      var nodes: [PageTableNode] = []
      for _ in 0..<NodePool.capacity {
        nodes.append(try NodePool.allocate(level: .leafTable).relinquishUnlocked())
      }
      for node in nodes { NodePool.release(node) }
      #expect(NodePool.count == NodePool.capacity)
    }

    private var unusedFrameCount: Int {
      let statistics = FrameAllocator.statistics
      return Int(statistics.managedFrameCount - statistics.usedFrameCount) + NodePool.count
    }

    @Test func `every frame that is not in use is allocated before a request fails`() throws {
      try fillPool()
      let unused = unusedFrameCount
      var addresses: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate() { addresses.append(address) }
      #expect(addresses.count == unused)
      #expect(NodePool.count == 0)
      for address in addresses { FrameAllocator.free(address) }
      #expect(machine.violations == [])
    }

    @Test func `a pooled node at address zero is allocated too`() throws {
      var nodes: [PageTableNode] = []
      while let node = try? NodePool.allocate(level: .leafTable).relinquishUnlocked() {
        nodes.append(node)
      }
      let place = try #require(nodes.firstIndex { $0.address == .zero })
      NodePool.release(nodes.remove(at: place))
      #expect(NodePool.count == 1)
      let address = try FrameAllocator.allocate()
      #expect(address == .zero)
      FrameAllocator.free(address)
      for node in nodes { NodePool.release(node) }
      NodePool.drain()
      FrameAllocator.drainCache()
      #expect(FrameTable.census.count(of: .pageTable) < 10)
      #expect(machine.violations == [])
    }

    @Test func `pooled nodes are returned for a contiguous request`() throws {
      try fillPool()
      let unused = unusedFrameCount
      var addresses: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate(2) { addresses.append(address) }
      #expect(NodePool.count == 0)
      // Two neighbours or none: what remains does not touch.
      var singles: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate() { singles.append(address) }
      #expect(addresses.count * 2 + singles.count == unused)
      for address in addresses { FrameAllocator.free(address, 2) }
      for address in singles { FrameAllocator.free(address) }
      #expect(machine.violations == [])
    }
  }
}
