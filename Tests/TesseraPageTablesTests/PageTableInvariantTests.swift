import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraSpaces
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  /// Each invariant of page tables is violated once, and the check reports it.
  @Suite("Page-table invariants") struct PageTableInvariantTests {
    @Test func `valid tables have no violations`() throws {
      let fixture = try CorruptedTables()
      #expect(fixture.problems == [])
      #expect(KernelSpace.problems == [])
    }

    @Test(arguments: CorruptedTables.all)
    func `each violation is reported`(corruption: CorruptedTables.Corruption) throws {
      let fixture = try CorruptedTables()
      let restore = try corruption.spoil(fixture)
      let found = fixture.problems
      restore()
      #expect(
        found.contains { $0.hasPrefix(corruption.sentence) }, "reported: \(found)")
      #expect(fixture.problems == [], "violations remain after the repair")
    }

    @Test func `a check changes nothing`() throws {
      let fixture = try CorruptedTables()
      let before = fixture.space.rootNode.hash()
      _ = fixture.problems
      #expect(fixture.space.rootNode.hash() == before)
    }

    @Test func `a kernel root with an entry in the user range is reported`() throws {
      let fixture = try CorruptedTables()
      VmSpace.deactivate()
      let root = unsafe PageTableNode(
        at: Processor.rootAddress)
      root.assumingLocked().store(.table(at: fixture.leafTable.address), at: 3)
      let found = KernelSpace.problems
      root.assumingLocked().store(.absent, at: 3)
      #expect(
        found == ["kernel root has an entry in the user range (18000000000, level 4)"])
    }

    @Test func `a missing or shared table of the kernel virtual area is reported`() throws {
      let fixture = try CorruptedTables()
      VmSpace.deactivate()
      let root = unsafe PageTableNode(
        at: Processor.rootAddress)
      let index = KernelSpace.area.lowerBound.index(at: PagingMode.current.rootLevel)
      let entry = root[index]
      root.assumingLocked().store(.absent, at: index)
      #expect(
        KernelSpace.problems == [
          "kernel virtual area has no table (ffffc00000000000, level 4)"
        ])
      root.assumingLocked().store(entry, at: index)
      let table = unsafe PageTableNode(at: entry.tableAddress)
      table.slot.share()
      #expect(
        KernelSpace.problems == [
          "table of the kernel virtual area has another owner (ffffc00000000000, level 4)"
        ])
      _ = table.slot.drop()
      #expect(KernelSpace.problems == [])
      #expect(fixture.problems == [])
    }

    @Test func `a check of a range checks only the tables of that range`() throws {
      let fixture = try CorruptedTables()
      func problems(within range: Range<VirtualAddress>) -> Set<String> {
        var found: Set<String> = []
        fixture.space.checkInvariants(within: range) { rule, _, _ in found.insert("\(rule)") }
        return found
      }
      let rule: Set = ["user page is global"]
      let restore = fixture.flip(PageTableEntry.global)
      #expect(problems(within: bytes(0x5000, 4096)) == rule)
      #expect(problems(within: bytes(0, 1 << 40)) == rule)
      for range in [bytes(0x4000, 4096), bytes(0x6000, 4096), bytes(2 << 20, 1 << 40)] {
        #expect(problems(within: range) == [])
      }
      restore()
      // The entries of a node are counted even if only some of its tables are checked.
      fixture.leafTable.assumingLocked().presentCount += 1
      let counted: Set = ["present count does not match the entries"]
      #expect(problems(within: bytes(0x1f_f000, 4096)) == counted)
      #expect(problems(within: bytes(2 << 20, 4096)) == [])
      fixture.leafTable.assumingLocked().presentCount -= 1
      var seen: [UInt64] = []
      fixture.space.checkInvariants(within: bytes(0x6000, 3 << 20)) { _, _, _ in
      } visit: { _, address, _ in
        seen.append(address.rawValue)
      }
      #expect(seen == [0x6000, 2 << 20])
    }

    @Test func `a check visits every leaf in ascending order`() throws {
      let fixture = try CorruptedTables()
      var seen: [String] = []
      fixture.space.checkInvariants { _, _, _ in
      } visit: { _, address, size in
        seen.append("\(String(address.rawValue, radix: 16)) \(size)")
      }
      #expect(seen == ["5000 fourKiB", "6000 fourKiB", "200000 twoMiB", "40000000 oneGiB"])
    }
  }
}

/// A space with every kind of entry, whose tables can be corrupted and repaired.
final class CorruptedTables {
  // Destroyed before the machine.
  let space: VmSpace
  let machine: SimulatedMachine
  let leafTable: PageTableNode
  let directory: PageTableNode
  let pointers: PageTableNode
  let frame: PhysicalAddress

  init() throws {
    machine = SimulatedMachine(frameCount: 2048)
    try machine.startKernelSpace()
    space = try VmSpace()
    frame = try mapFrame(at: 0x5000, in: space)
    try mapFrame(at: 0x6000, in: space, as: PageProperty(.none, isUser: true))
    try mapDevice(at: 2 << 20, 0x10_0000_0000, 2 << 20, in: space)
    try mapDevice(at: 1 << 30, 0x20_0000_0000, 1 << 30, in: space)
    try mark(0x9000, 4096, as: 0xffff_ffff, in: space)
    leafTable = try #require(space.rootNode.node(for: 0x5000, at: 1))
    directory = try #require(space.rootNode.node(for: 0x5000, at: 2))
    pointers = try #require(space.rootNode.node(for: 0x5000, at: 3))
  }

  var problems: [String] { space.problems }

  /// Stores `word` at `index` of `node`. Returns a closure that restores the old one.
  func store(_ word: UInt64, at index: Int, of node: PageTableNode) -> () -> Void {
    let old = node[index]
    let count = node.presentCount
    node.assumingLocked().store(PageTableEntry(rawValue: word), at: index)
    if old.isAbsent { node.assumingLocked().presentCount = count + 1 }
    return {
      node.assumingLocked().store(old, at: index)
      node.assumingLocked().presentCount = count
    }
  }

  /// Flips `bits` of the leaf at 0x5000.
  func flip(_ bits: UInt64) -> () -> Void {
    store(leafTable[5].rawValue ^ bits, at: 5, of: leafTable)
  }

  /// A way to violate an invariant.
  struct Corruption: CustomTestStringConvertible, Sendable {
    let sentence: String
    /// Violates it, and returns a closure that repairs the tables.
    let spoil: @Sendable (CorruptedTables) throws -> () -> Void

    var testDescription: String { sentence }
  }
}

extension CorruptedTables {
  static let all: [Corruption] = nodeRules + treeRules + entryRules + targetRules + rootRules

  private static let nodeRules: [Corruption] = [
    Corruption(sentence: "present count does not match the entries") { tables in
      tables.leafTable.assumingLocked().presentCount += 1
      return { tables.leafTable.assumingLocked().presentCount -= 1 }
    },
    Corruption(sentence: "node is locked though no cursor is open") { tables in
      tables.directory.acquireLock()
      return { tables.directory.releaseLock() }
    },
    Corruption(sentence: "node in a tree is in a list of nodes") { tables in
      tables.directory.next = tables.leafTable.slot
      return { tables.directory.next = nil }
    },
    Corruption(sentence: "node in a tree is marked as detached") { tables in
      unsafe tables.leafTable.storage.pointee.flags |= NodeMetadata.detachedFlag
      return {
        unsafe tables.leafTable.storage.pointee.flags &= ~NodeMetadata.detachedFlag
      }
    },
    Corruption(sentence: "node is not one level below its parent") { tables in
      unsafe tables.directory.storage.pointee.level = 3
      return { unsafe tables.directory.storage.pointee.level = 2 }
    },
    Corruption(sentence: "node is in a list of frames") { tables in
      tables.leafTable.slot.setListIdentifier(2)
      return { tables.leafTable.slot.setListIdentifier(0) }
    },
    Corruption(sentence: "node has more owners than its parent") { tables in
      tables.leafTable.slot.share()
      return { _ = tables.leafTable.slot.drop() }
    },
  ]

  private static let treeRules: [Corruption] = [
    Corruption(sentence: "node is referred to more than once") { tables in
      tables.store(tables.directory[0].rawValue, at: 100, of: tables.directory)
    },
    Corruption(sentence: "node is not one level below its parent") { tables in
      let node = try NodePool.allocate(level: .leafTable).relinquish()
      node.releaseLock()
      let entry = PageTableEntry.table(at: node.address, isUser: true)
      let restore = tables.store(entry.rawValue, at: 100, of: tables.pointers)
      return {
        restore()
        NodePool.release(node)
      }
    },
    Corruption(sentence: "entry refers to a table whose frame is not a node") { tables in
      tables.store(tables.frame.rawValue | 7, at: 100, of: tables.directory)
    },
    Corruption(sentence: "entry refers to a table whose frame is not a node") { tables in
      tables.store(0x20_0000_0000 | 7, at: 100, of: tables.directory)
    },
    Corruption(sentence: "entry of a leaf table refers to a table") { tables in
      tables.store(tables.directory[0].rawValue, at: 100, of: tables.leafTable)
    },
  ]

  private static let entryRules: [Corruption] = [
    Corruption(sentence: "entry has a reserved bit set") { tables in
      tables.store(tables.directory[1].rawValue ^ 1 << 13, at: 1, of: tables.directory)
    },
    Corruption(sentence: "software bits of an entry contradict its kind") { tables in
      tables.flip(PageTableEntry.statusBit)
    },
    Corruption(sentence: "entry that is not present contains a physical address") { tables in
      tables.flip(PageTableEntry.present)
    },
    Corruption(sentence: "user page in the kernel's half, or kernel page in the user half") {
      tables in
      tables.flip(PageTableEntry.user)
    },
    Corruption(sentence: "user page in the kernel's half, or kernel page in the user half") {
      tables in
      tables.store(
        tables.directory[0].rawValue ^ PageTableEntry.user, at: 0, of: tables.directory)
    },
    Corruption(sentence: "user page is global") { $0.flip(PageTableEntry.global) },
    Corruption(sentence: "page is both writable and executable") { tables in
      tables.flip(PageTableEntry.noExecute)
    },
  ]

  private static let targetRules: [Corruption] = [
    Corruption(
      sentence: "leaf maps memory that is misaligned or beyond what the processor can address"
    ) { _ in
      unsafe PagingMode.install(PagingMode(physicalAddressWidth: 36))
      return { unsafe PagingMode.install(PagingMode()) }
    },
    Corruption(sentence: "owning leaf maps memory that has no frame (") { $0.flip(1 << 38) },
    Corruption(sentence: "leaf maps a page table") { tables in
      tables.flip(tables.frame.rawValue ^ tables.directory.address.rawValue)
    },
    Corruption(sentence: "owning leaf maps a frame that has no owner") { tables in
      let free = try FrameAllocator.allocate()
      FrameAllocator.free(free)
      return tables.flip(tables.frame.rawValue ^ free.rawValue)
    },
    Corruption(sentence: "owning leaf maps a frame that has no owner") { tables in
      let slot = FrameTable.slot(number: tables.frame.frameNumber)
      slot.setCount(ReferenceCount.unique)
      return { slot.setCount(1) }
    },
    Corruption(sentence: "owning leaf is larger than its frame") { tables in
      // The first of 512 contiguous frames, each with an owner of its own.
      let frames = try Segment(
        allocating: 512, FrameRequest(isZeroed: false, alignment: PageSize.twoMiB.byteCount)
      ) { _ in PlainMemory() }
      let leaf = PageTableEntry.leaf(
        at: frames.address, property: .userReadWrite, size: .twoMiB, ownsFrame: true)
      let held = HeldSegment(frames)
      let restore = tables.store(leaf.rawValue, at: 100, of: tables.directory)
      return {
        restore()
        held.drop()
      }
    },
    Corruption(sentence: "owning leaf maps a frame of typed metadata") { tables in
      let address = try Frame(allocating: TypedContents()).relinquish()
      return tables.flip(tables.frame.rawValue ^ address.rawValue)
    },
  ]

  private static let rootRules: [Corruption] = [
    Corruption(sentence: "root's owners are not its space and its active processors") {
      let slot = $0.space.rootNode.slot
      slot.share()
      return { _ = slot.drop() }
    },
    Corruption(sentence: "root is not a page-table node") { tables in
      let slot = tables.space.rootNode.slot
      let kind = slot.kind
      slot.setKind(FrameTable.slot(number: tables.frame.frameNumber).kind)
      return { slot.setKind(kind) }
    },
    Corruption(sentence: "root is locked") { tables in
      let root = tables.space.rootNode
      root.acquireLock()
      return { root.releaseLock() }
    },
    Corruption(sentence: "root's owners are not its space and its active processors") {
      let root = $0.space.rootNode
      root.setActive(true, on: 5)
      return { root.setActive(false, on: 5) }
    },
    Corruption(sentence: "kernel entry differs from the kernel root's") { tables in
      let root = tables.space.rootNode
      root.assumingLocked().store(.table(at: tables.directory.address), at: 511)
      return { root.assumingLocked().store(.absent, at: 511) }
    },
  ]
}

/// Frames that are freed on request.
private final class HeldSegment: @unchecked Sendable {
  private var frames: Segment<PlainMemory>?

  init(_ frames: consuming Segment<PlainMemory>) { self.frames = consume frames }

  func drop() { frames = nil }
}

/// Typed metadata.
struct TypedContents: FrameMetadata {
  static var destructor: FrameMetadataDestructor { { unsafe TypedContents.destroy(at: $0) } }
}
