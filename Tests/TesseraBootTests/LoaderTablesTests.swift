import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// A kernel that starts on the loader's tables, which have none of Tessera's software bits.
  @Suite("Loader tables") struct LoaderTablesTests {
    let machine = SimulatedMachine(frameCount: 1024)
    /// A root with one table of each lower level, the highest first.
    private let tables: [PhysicalAddress]
    private static let base: UInt64 = 0xffff_9000_0000_0000

    init() throws {
      tables = try (0..<4).map { _ in try FrameAllocator.allocate() }
      set(0x3 | tables[1].rawValue, at: 288, of: tables[0])
      set(0x3 | tables[2].rawValue, at: 0, of: tables[1])
      set(0x3 | tables[3].rawValue, at: 1, of: tables[2])
      unsafe Processor.loadRootRegister(tables[0].rawValue)
    }

    private func set(_ entry: UInt64, at index: Int, of table: PhysicalAddress) {
      unsafe PhysicalMemory.pointer(to: table).storeBytes(
        of: entry, toByteOffset: index * 8, as: UInt64.self)
    }

    private func entry(at index: Int, of table: PhysicalAddress) -> UInt64 {
      unsafe PhysicalMemory.pointer(to: table).load(
        fromByteOffset: index * 8, as: UInt64.self)
    }

    @Test func `pages of every size are translated`() throws {
      set(0x8000_0000_c000_0183, at: 3, of: tables[1])
      set(0x8000_0000_0020_0183, at: 2, of: tables[2])
      set(0x8000_0000_0004_5101, at: 7, of: tables[3])
      try KernelSpace.start()
      for (offset, target, access) in [
        (0xc123_4567, 0xc123_4567, .readWrite), (0x40_0123, 0x20_0123, .readWrite),
        (0x20_7abc, 0x4_5abc, .read),
      ] as [(UInt64, UInt64, PageAccess)] {
        let found = KernelSpace.translate(VirtualAddress(Self.base + offset))
        #expect(found?.address == PhysicalAddress(target))
        #expect(found?.property.access == access)
        #expect(found?.property.isGlobal == true)
      }
      #expect(KernelSpace.translate(VirtualAddress(Self.base + 0x20_8000)) == nil)
      #expect(machine.violations == [])
    }

    @Test func `software bits set by a loader are ignored`() throws {
      set(0x8000_0000_0004_5d01, at: 7, of: tables[3])
      set(0x0000_0000_0004_6e00, at: 8, of: tables[3])
      try KernelSpace.start()
      // A leaf without owner, and an entry that is not present.
      #expect(entry(at: 7, of: tables[3]) == 0x8000_0000_0004_5301)
      #expect(entry(at: 8, of: tables[3]) == 0)
    }

    @Test func `the lower half is unmapped and its tables are unchanged`() throws {
      set(0x3 | tables[1].rawValue, at: 0, of: tables[0])
      set(0x0000_0000_0000_0e00, at: 5, of: tables[0])
      try KernelSpace.start()
      #expect(entry(at: 5, of: tables[0]) == 0x0e00)
      let space = try VmSpace()
      #expect(space.translate(VirtualAddress(0x20_7000)) == nil)
      #expect(PhysicalAddress(Processor.rootRegister) != tables[0])
    }

    @Test func `the kept lower half is in every space, outside the user range`()
      throws
    {
      set(0x3 | tables[1].rawValue, at: 0, of: tables[0])
      set(0x8000_0000_0004_5103, at: 7, of: tables[3])
      try KernelSpace.start(keepingBelow: VirtualAddress(0x1000))
      // At least one entry of the root is kept.
      #expect(VmSpace.start == VirtualAddress(1 << 39))
      let other = try VmSpace()
      do {
        let space = try VmSpace()
        var error: TesseraError?
        do throws(TesseraError) {
          _ = try space.cursor(over: bytes(VmSpace.start.rawValue - 4096, 8192))
        } catch let found { error = found }
        #expect(error == .outOfBounds)
        try mapFrame(at: VmSpace.start.rawValue, in: space)
        #expect(space.translate(VirtualAddress(0x20_7123))?.address.rawValue == 0x4_5123)
        #expect(space.problems == [])
      }
      #expect(other.translate(VirtualAddress(0x20_7123))?.address.rawValue == 0x4_5123)
      #expect(KernelSpace.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `the kept lower half is not accessible as user memory`() throws {
      // The loader's page is a user page: only the bounds of the space protect it.
      set(0x7 | tables[1].rawValue, at: 0, of: tables[0])
      set(0x8000_0000_0004_5107, at: 7, of: tables[3])
      try KernelSpace.start(keepingBelow: VirtualAddress(0x1000))
      let space = try VmSpace()
      #expect(space.translate(VirtualAddress(0x20_7000)) != nil)
      #expect(space.load(UInt64.self, at: VirtualAddress(0x20_7000)) == nil)
      space.activate()
      defer { VmSpace.deactivate() }
      var error: TesseraError?
      do throws(TesseraError) {
        _ = try space.reader(at: VirtualAddress(VmSpace.start.rawValue - 1), byteCount: 2)
      } catch let found { error = found }
      #expect(error == .outOfBounds)
      _ = try space.reader(at: VmSpace.start, byteCount: 2)
    }

    @Test func `both ends of the kernel half are in every space`() throws {
      for index in [256, 511] { set(0x3 | tables[1].rawValue, at: index, of: tables[0]) }
      set(0x8000_0000_c000_0183, at: 3, of: tables[1])
      try KernelSpace.start()
      let space = try VmSpace()
      for start in [0xffff_8000_0000_0000, 0xffff_ff80_0000_0000] as [UInt64] {
        let found = space.translate(VirtualAddress(start + 0xc000_0123))
        #expect(found?.address == PhysicalAddress(0xc000_0123))
      }
    }

    @Test func `a table beyond memory only ends the printed walk`() throws {
      set(0xff_0000_0003, at: 300, of: tables[0])
      try KernelSpace.start()
      var text = TextCount()
      KernelSpace.writeWalk(of: VirtualAddress(0xffff_9600_0000_0000), to: &text)
      #expect(text.count > 0)
      #expect(text.lines == 2)
    }
  }
}

/// A sink that counts bytes.
private struct TextCount: TextSink {
  private(set) var count = 0
  private(set) var lines = 0

  mutating func write(byte: UInt8) {
    count += 1
    if byte == 10 { lines += 1 }
  }
}
