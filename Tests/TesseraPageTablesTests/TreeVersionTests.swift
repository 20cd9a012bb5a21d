import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Walks without locks, while the tables that they walk are removed.
  @Suite("Tree version") struct TreeVersionTests {
    let machine: SimulatedMachine
    private static let page: UInt64 = 0x40_0000

    init() throws {
      machine = SimulatedMachine(frameCount: 1024)
      try machine.startKernelSpace()
    }

    /// A space with a page at `page`, and others so that the tables above those that are removed
    /// stay.
    private func makeSpace() throws -> VmSpace {
      let space = try VmSpace()
      for address in [Self.page, 0x60_0000, 1 << 30] { try mapFrame(at: address, in: space) }
      return space
    }

    /// Unmaps the block of `byteCount` bytes that has the page, with its tables.
    private func removeBlock(_ byteCount: UInt64, of space: borrowing VmSpace) throws {
      let start = Self.page / byteCount * byteCount
      try space.withCursor(over: bytes(start, byteCount)) { cursor throws(TesseraError) in
        try cursor.unmap(byteCount)
      }
    }

    @Test func `only the removal of a table makes another version`() throws {
      let space = try makeSpace()
      let version = TreeVersion()
      try mapFrame(at: 0x40_1000, in: space)
      try mapFrame(at: 0x80_0000, in: space)
      try space.withCursor(over: bytes(0x40_1000, 4096)) { cursor throws(TesseraError) in
        try cursor.protect(4096, to: .read)
        try cursor.jump(to: VirtualAddress(0x40_1000))
        try cursor.unmap(4096)
      }
      #expect(version.isLatest && version == TreeVersion())
      try removeBlock(2 << 20, of: space)
      #expect(!version.isLatest && version != TreeVersion())
    }

    @Test func `a walk ends when a table on its way is removed`() throws {
      let space = try makeSpace()
      let address = VirtualAddress(Self.page)
      var isRemoved = false
      let found = space.rootNode.walk(to: address, in: TreeVersion()) { entry, level in
        if level == PagingLevel(3) {
          // The walk has the entry of a table that is then freed, and becomes something else.
          isRemoved = (try? removeBlock(1 << 30, of: space)) != nil
          NodePool.drain()
          fillFreeFrames()
        }
        return entry.isTable
      }
      #expect(isRemoved && found == nil)
      #expect(space.translate(address) == nil)
    }

    /// Writes what would be entries of tables far beyond memory to all free frames.
    private func fillFreeFrames() {
      guard
        let frames = try? Segment<PlainMemory>(allocating: 512, metadata: { _ in PlainMemory() })
      else { return }
      for word in 0..<512 * 512 as Range<UInt64> {
        frames.setWord(0x7f_ffff_ffff_f027, at: word * 8)
      }
    }

    @Test func `an old version finds no leaf table and acquires no lock`() throws {
      let space = try makeSpace()
      let other = try makeSpace()
      let root = space.rootNode
      let address = VirtualAddress(Self.page)
      let old = TreeVersion()
      let table = try #require(root.leafTable(for: address, in: old))
      #expect(table.tryAcquireLock(while: old))
      table.releaseLock()
      #expect(table.acquireLock(while: old))
      table.releaseLock()
      try removeBlock(2 << 20, of: other)
      let isFound = root.leafTable(for: address, in: old) != nil
      #expect(!isFound)
      #expect(!table.tryAcquireLock(while: old) && !table.acquireLock(while: old))
      #expect(!table.isLocked)
      #expect(root.leafTable(for: address, in: TreeVersion())?.address == table.address)
    }

    @Test func `a waiter gives up when a table is removed`() throws {
      let machine = SimulatedMachine(frameCount: 1024, processorCount: 2)
      try machine.startKernelSpace()
      let space = try makeSpace()
      let table = try #require(space.rootNode.node(for: Self.page, at: 1))
      let old = TreeVersion()
      table.acquireLock()
      try removeBlock(2 << 20, of: makeSpace())
      #expect(!table.acquireLock(while: old))
      table.releaseLock()
    }

    @Test func `the lock of a frame that is no table disturbs nothing`() throws {
      let frame = try Frame(allocating: PlainMemory())
      let slot = try FrameTable.slot(at: frame.address)
      let before = (slot.count, slot.kind, slot.isLinked)
      #expect(slot.tryLock() && !slot.tryLock())
      #expect(slot.count == before.0 && slot.kind == before.1 && slot.isLinked == before.2)
      slot.unlock()
      #expect(machine.violations == [])
    }

    /// A walk that is late holds the lock of a frame that becomes a node again.
    @Test func `a node that is freed with its lock held panics at its next use`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 1024)
        try machine.startKernelSpace()
        machine.stayPermanently()
        let node = try NodePool.allocate(level: .leafTable).relinquishUnlocked()
        node.acquireLock()
        NodePool.release(node)
        _ = try NodePool.allocate(level: .leafTable)
      }
      try expectPanic(in: result, "a page-table node was freed with its lock held: 0x")
    }
  }
}
