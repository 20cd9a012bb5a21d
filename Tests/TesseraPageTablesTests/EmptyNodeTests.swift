import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The removal of empty nodes, while other cursors are open.
  @Suite("Empty nodes") struct EmptyNodeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// Maps a page in each of the first two leaf tables, and unmaps the first one while a cursor
    /// holds the lock of their parent. Returns the leaf table that this emptied.
    private func emptyTableUnderLockedParent(
      in space: borrowing VmSpace
    ) throws -> PageTableNode {
      try mapFrame(at: 0x5000, in: space)
      try mapFrame(at: 0x20_0000, in: space)
      let table = try #require(space.rootNode.node(for: 0x5000, at: 1))
      let other = try space.cursor(over: bytes(0x20_0000, 4 << 20))
      do {
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        let unmapped = try cursor.unmap(4096)
        #expect(unmapped == 4096)
      }
      _ = consume other
      #expect(space.rootNode.node(for: 0x5000, at: 1)?.address == table.address)
      #expect(table.presentCount == 0 && !table.isLocked && !table.isDetached)
      #expect(space.problems == [])
      return table
    }

    @Test func `a table whose parent is locked stays when it is emptied`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        space.activate()
        _ = try emptyTableUnderLockedParent(in: space)
        #expect(space.translate(VirtualAddress(0x5000)) == nil)
        machine.checkCoherent(ignoringAccessed: true)
        VmSpace.deactivate()
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used, "the space took it along")
      #expect(machine.violations == [])
    }

    @Test func `a table that stayed is removed by the next cursor that it covers`() throws {
      let space = try VmSpace()
      _ = try emptyTableUnderLockedParent(in: space)
      _ = try space.cursor(over: bytes(0x7000, 8192))
      #expect(space.rootNode.node(for: 0x5000, at: 1) == nil)
      #expect(space.rootNode.node(for: 0x20_0000, at: 1) != nil)
      #expect(space.problems == [])
    }

    @Test func `a table that stayed is removed by an unmap from above`() throws {
      let space = try VmSpace()
      _ = try emptyTableUnderLockedParent(in: space)
      do {
        var cursor = try space.cursor(over: bytes(0x6000, 2 << 20))
        try cursor.unmap(0x1f_a000)
      }
      #expect(space.rootNode.node(for: 0x5000, at: 1) == nil)
      #expect(space.rootNode.node(for: 0x20_0000, at: 1) != nil)
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `a table that stayed is used again`() throws {
      let space = try VmSpace()
      let table = try emptyTableUnderLockedParent(in: space)
      let memory = try mapFrame(at: 0x9000, in: space)
      #expect(space.translate(VirtualAddress(0x9000))?.address == memory)
      #expect(space.rootNode.node(for: 0x5000, at: 1)?.address == table.address)
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }
  }
}
