import CTessera
import Scenarios
import SimulatedMachine
import Synchronization
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraSpaces
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  @Suite("Page-table node") struct PageTableNodeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512, processorCount: 2)
      try machine.startKernelSpace()
      NodePool.drain()
    }

    private func isUsedAsNode(_ node: PageTableNode) -> Bool { node.slot.kind.usage == .pageTable }

    @Test func `a new node is locked, empty, and has one owner`() throws {
      let node = try NodePool.allocate(level: PagingLevel(2)).relinquish()
      #expect(node.isLocked)
      #expect(!node.isDetached)
      #expect(node.level.number == 2)
      #expect(node.presentCount == 0)
      #expect(node.slot.count == 1)
      #expect((0..<512).allSatisfy { node[$0].isAbsent })
      #expect(isUsedAsNode(node))
      #expect(!node.slot.kind.isUntyped, "a node is typed")
      node.releaseLock()
      NodePool.release(node)
    }

    @Test func `a node's metadata fits in its slot`() {
      #expect(MemoryLayout<NodeMetadata>.size <= FrameSlot.storageByteCount)
      #expect(MemoryLayout<NodeMetadata>.alignment <= 16)
    }

    @Test func `the memory of a node is zeroed`() throws {
      for _ in 0..<3 {
        let frames = try Segment(allocating: 100) { _ in PlainMemory() }
        for index in 0..<100 { frames.setWord(~0, at: UInt64(index) * 4096) }
        _ = consume frames
        FrameAllocator.drainCache()
        let node = try NodePool.allocate(level: .leafTable).relinquishUnlocked()
        #expect((0..<512).allSatisfy { node[$0].isAbsent })
        NodePool.release(node)
        NodePool.drain()
      }
    }

    @Test func `a reused node is empty`() throws {
      let space = try VmSpace()
      for address in [0x5000, 0x1f_f000] as [UInt64] { try mapFrame(at: address, in: space) }
      try mark(0x6000, 0x10_0000, as: 3, in: space)
      do {
        var cursor = try space.cursor(over: bytes(0, 2 << 20))
        try cursor.unmap(2 << 20)
      }
      #expect(NodePool.count > 0)
      while NodePool.count > 0 {
        let node = try NodePool.allocate(level: .leafTable).relinquishUnlocked()
        #expect((0..<512).allSatisfy { node[$0].isAbsent })
        _ = node.slot.drop()
      }
    }

    @Test func `a node is found and locked by its address`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      let node = try #require(space.rootNode.node(for: 0x5000, at: 1))
      let same = unsafe PageTableNode(at: node.address)
      same.acquireLock()
      #expect(node.isLocked)
      node.releaseLock()
      #expect(!same.isLocked)
    }

    @Test func `a node's lock is mutually exclusive`() throws {
      let node = try NodePool.allocate(level: .leafTable).relinquishUnlocked()
      machine.onEveryProcessor { _ in
        for _ in 0..<2000 {
          node.acquireLock()
          node.assumingLocked().presentCount += 1
          node.releaseLock()
        }
      }
      #expect(node.presentCount == 4000)
      node.assumingLocked().presentCount = 0
      NodePool.release(node)
    }

    @Test func `an entry is exchanged atomically, with the processor's bits`() throws {
      let node = try NodePool.allocate(level: .leafTable).relinquishUnlocked()
      let frame = try Frame(allocating: PlainMemory())
      let leaf = PageTableEntry.leaf(
        at: frame.address, property: .userReadWrite, size: .fourKiB, ownsFrame: false)
      let locked = node.assumingLocked()
      locked.store(leaf, at: 3)
      // As a processor may do at any time.
      let bits = PageTableEntry.accessed | PageTableEntry.dirty
      locked.store(PageTableEntry(rawValue: leaf.rawValue | bits), at: 3, replacing: leaf)
      let isLost = locked.compareExchange(leaf, .absent, at: 3)
      #expect(!isLost, "the dirty bit was lost")
      let old = locked.exchange(.absent, at: 3)
      #expect(old.rawValue == leaf.rawValue | bits)
      #expect(node[3].isAbsent)
      NodePool.release(node)
    }

    @Test func `a removed node is detached while a handle exists, and freed with it`()
      throws
    {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      let node = try #require(space.rootNode.node(for: 0x5000, at: 1))
      let handle = try AnyFrame(sharing: node.address)
      let isUntyped = handle.isUntyped
      #expect(!isUntyped)
      #expect(node.slot.count == 2)
      do {
        var cursor = try space.cursor(over: bytes(0, 2 << 20))
        try cursor.unmap(2 << 20)
      }
      #expect(space.rootNode.node(for: 0x5000, at: 1) == nil)
      #expect(isUsedAsNode(node))
      #expect(node.isDetached)
      #expect(!node.isLocked)
      #expect(node.slot.count == 1)
      let address = node.address
      _ = consume handle
      let frame = try Frame(claiming: address, metadata: PlainMemory())
      let claimed = frame.address
      #expect(claimed == address)
    }

    @Test func `a detached node releases its children with its last owner`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      let space = try VmSpace()
      let memory = try mapFrame(at: 0x5000, in: space)
      let node = try #require(space.rootNode.node(for: 0x5000, at: 2))
      let handle = try AnyFrame(sharing: node.address)
      do {
        var cursor = try space.cursor(over: bytes(0, 1 << 40))
        let byteCount = try cursor.unmap(1 << 40)
        #expect(byteCount == 4096)
      }
      #expect(FrameTable.slot(number: memory.frameNumber).count == 1, "the node still owns it")
      _ = consume handle
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used + 1)
    }

    @Test func `a child is initialized before its parent refers to it`() throws {
      let space = try VmSpace()
      try mark(0, 2 << 30, as: 0x77, in: space)
      let log = EntryLog()
      try mapFrame(at: 0x5000, in: space)
      let writes = log.stop()
      let links = writes.indices.filter { writes[$0].new & 0xe01 == 0x001 }
      #expect(links.count == 2)
      for link in links {
        let child = writes[link].new & PageTableEntry.addressMask
        let before = writes[..<link].filter { $0.address & ~4095 == child }
        #expect(before.count == 512)
        #expect(before.allSatisfy { $0.new == PageTableEntry.status(0x77).rawValue })
      }
      #expect(writes.last?.new != PageTableEntry.status(0x77).rawValue, "the page is written last")
    }

    @Test func `the parts of a large leaf are written before its parent refers to them`() throws {
      let space = try VmSpace()
      try mapDevice(at: 2 << 20, 0x40_0000_0000, 2 << 20, in: space)
      let log = EntryLog()
      do {
        var cursor = try space.cursor(over: bytes(2 << 20, 4096))
        try cursor.protect(4096, to: .read)
      }
      let writes = log.stop()
      let link = try #require(writes.firstIndex { $0.new & 0xe01 == 0x001 })
      #expect(link == 1 + 512)
      #expect(writes[0].address == writes[link].address && writes[0].new & 1 == 0, "taken away")
      #expect(Set(writes[1..<link].map { $0.new & PageTableEntry.addressMask }).count == 512)
    }

    /// A user page is not present while its parts are made; see `PageSizeChangeTests`.
    @Test(arguments: [PageTableEntry.accessed, PageTableEntry.dirty])
    func `what the processor notes in a large kernel leaf while it is split is kept`(
      bit: UInt64
    ) throws {
      let start = KernelSpace.area.lowerBound.rawValue + (2 << 30)
      func change(_ body: (inout Cursor) throws -> Void) throws {
        var cursor = try KernelSpace.cursor(over: bytes(start, 2 << 20))
        try body(&cursor)
      }
      try change { cursor in
        try unsafe cursor.mapDevice(
          PhysicalAddress(0x40_0000_0000), byteCount: 2 << 20, as: .kernelReadWrite)
      }
      let root = unsafe PageTableNode(at: KernelSpace.rootAddress)
      let node = try #require(root.node(for: start, at: 2))
      let index = VirtualAddress(start).index(at: PagingLevel(2))
      let log = EntryLog(
        setting: bit, in: node.address.rawValue + 8 * UInt64(index), after: 300)
      try change { try $0.protect(4096, to: .read) }
      _ = log.stop()
      let table = try #require(root.node(for: start, at: 1))
      for index in 0..<512 { #expect(table[index].rawValue & bit != 0, "\(index)") }
      try change { try $0.unmap(2 << 20) }
      #expect(machine.violations == [])
    }

    @Test(arguments: [PageTableEntry.accessed, PageTableEntry.dirty])
    func `what the processor notes in small leaves while they are collapsed is kept`(
      bit: UInt64
    ) throws {
      let space = try VmSpace()
      try mapDevice(at: 2 << 20, 0x40_0000_0000, 2 << 20, in: space)
      for access in [PageAccess.read, .readWrite] {
        var cursor = try space.cursor(over: bytes(2 << 20, 4096))
        try cursor.protect(4096, to: access)
      }
      let table = try #require(space.rootNode.node(for: 2 << 20, at: 1))
      // The first write is that of the large leaf.
      let log = EntryLog(setting: bit, in: table.address.rawValue + 8 * 77, after: 1)
      do {
        var cursor = try space.cursor(over: bytes(0, 4 << 20))
        #expect(cursor.collapse(4 << 20) == 1)
      }
      _ = log.stop()
      let node = try #require(space.rootNode.node(for: 2 << 20, at: 2))
      #expect(node[1].isLeaf && node[1].rawValue & bit != 0)
      #expect(machine.violations == [])
    }

    @Test func `the active root outlives its space, and maps nothing`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      var root: PageTableNode?
      var memory = PhysicalAddress.zero
      do {
        let space = try VmSpace()
        memory = try mapFrame(at: 0x5000, in: space)
        space.activate()
        root = space.rootNode
        #expect(root?.slot.count == 2)
      }
      #expect(root?.slot.count == 1)
      #expect(Processor.rootRegister == root?.address.rawValue)
      #expect(root?.presentCount == 0)
      #expect(FrameTable.slot(number: memory.frameNumber).count == ReferenceCount.free)
      VmSpace.deactivate()
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `destroying a tree frees exactly the frames that it owns`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      let kept = try Frame(allocating: PlainMemory())
      let kernel = KernelSpace.problems
      do {
        let space = try VmSpace()
        try mapFrame(at: 0, in: space)
        try mapFrame(at: VmSpace.end.rawValue - 4096, in: space)
        try mapFrame(at: 1 << 39, in: space, as: PageProperty(.none, isUser: true))
        try mapDevice(at: 1 << 30, 0x40_0000_0000, 1 << 30, in: space)
        try mark(1 << 40, 1 << 30, as: 4, in: space)
        var shared: Frame<PlainMemory>? = kept.share()
        var cursor = try space.cursor(over: bytes(0x1000, 4096))
        try cursor.map(&shared, as: .userRead)
        let ownerCount = kept.referenceCount
        #expect(ownerCount == 2)
      }
      NodePool.drain()
      let ownerCount = kept.referenceCount
      #expect(ownerCount == 1)
      #expect(FrameAllocator.statistics.usedFrameCount == used + 1)
      #expect(KernelSpace.problems == kernel)
      #expect(machine.violations == [])
    }

    @Test func `each node on the path has its level`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      for level in 1...4 {
        let node = try #require(space.rootNode.node(for: 0x5000, at: level))
        #expect(node.level.number == level)
        #expect(node.presentCount == 1)
        #expect(node.slot.count == 1)
      }
    }
  }
}

/// A log of every store to a page-table entry, in order, until it is stopped.
private final class EntryLog {
  struct Write {
    let address: UInt64
    let new: UInt64
  }

  /// Access: single-threaded, by the test only.
  nonisolated(unsafe) private static var writes: [Write] = []

  /// What a processor sets in the word at an address, after so many writes.
  private struct Late {
    let bits: UInt64
    let address: UInt64
    let count: Int
  }

  /// Access: as `writes`.
  nonisolated(unsafe) private static var late: Late?

  /// After `count` stores, sets `bits` in the word at `address`, as a processor might.
  convenience init(setting bits: UInt64, in address: UInt64, after count: Int) {
    self.init()
    Self.late = Late(bits: bits, address: address, count: count)
  }

  private static func setLate() {
    guard let late, writes.count == late.count else { return }
    unsafe PhysicalMemory.pointer(to: PhysicalAddress(late.address))
      .assumingMemoryBound(to: UInt64.self).pointee |= late.bits
  }

  init() {
    Self.writes = []
    Self.late = nil
    var observer = simulated_observer(
      context: nil,
      entry_write: { _, _, address, _, new in
        EntryLog.writes.append(Write(address: address, new: new))
        EntryLog.setLate()
      },
      frame_free: { _, _, _, _ in },
      control: { _, _, _, _, _ in },
      user_copy: { _, _, _, _, _, _ in 0 })
    simulated_install_observer(&observer)
  }

  func stop() -> [Write] {
    simulated_install_observer(nil)
    return Self.writes
  }
}
