import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// A kernel whose loader enabled five levels. Each entry of the root spans 256 TiB, so the image
  /// at -2 GiB shares its entry with the whole upper half of 4-level paging.
  @Suite("Five levels") struct FiveLevelTests {
    private let processor = FiveLevelProcessor()
    private let machine = SimulatedMachine(frameCount: 1024)
    /// The addresses of the loader's direct map and of the kernel's image.
    private static let directMap: UInt64 = 0xff00_0000_0000_0000
    private static let image: UInt64 = 0xffff_ffff_8000_0000

    /// Starts on a loader's tables: a root, and below it a table of each level for the direct map
    /// and one for the image.
    init() throws {
      let root = try FrameAllocator.allocate()
      var end = root
      for address in [Self.directMap, Self.image] {
        var table = root
        for level in [5, 4, 3] {
          end = try FrameAllocator.allocate()
          Self.set(0x3 | end.rawValue, at: address, PagingLevel(level), of: table)
          table = end
        }
        Self.set(0x8000_0000_0020_0183, at: address, PagingLevel(2), of: end)
      }
      unsafe Processor.loadRootRegister(root.rawValue)
      try KernelSpace.start(copied: true)
    }

    private static func set(
      _ entry: UInt64, at address: UInt64, _ level: PagingLevel, of table: PhysicalAddress
    ) {
      let index = VirtualAddress(address).index(at: level)
      unsafe PhysicalMemory.pointer(to: table).storeBytes(
        of: entry, toByteOffset: index * 8, as: UInt64.self)
    }

    /// The address that the simulated MMU translates to, by the tables alone.
    private func physical(_ address: UInt64, in space: borrowing VmSpace) -> UInt64? {
      machine.mmu.translation(of: address, root: space.rootAddress.rawValue)
        .map { $0.physicalAddress + (address - $0.virtualAddress) }
    }

    @Test func `the kernel virtual area has a root entry to itself`() {
      let level = PagingMode.current.rootLevel
      let index = KernelSpace.area.lowerBound.index(at: level)
      #expect(KernelSpace.area.lowerBound == VirtualAddress(0xff80_0000_0000_0000))
      #expect(KernelSpace.area.lowerBound.isCanonical)
      #expect(VirtualAddress(KernelSpace.area.upperBound.rawValue - 1).index(at: level) == index)
      for address in [Self.directMap, Self.image] {
        #expect(VirtualAddress(address).index(at: level) != index)
      }
    }

    @Test func `every space maps the kernel, and what it maps later`() throws {
      let spaces = try [VmSpace(), VmSpace()] as InlineArray<2, VmSpace>
      var segment: Segment<PlainMemory>? = try Segment(allocating: 2) { _ in PlainMemory() }
      let frame = segment?.address ?? .zero
      let mapping = try KernelMapping(&segment)
      for index in 0..<2 {
        #expect(physical(Self.directMap + 0x1234, in: spaces[index]) == 0x20_1234)
        #expect(physical(Self.image + 0x5678, in: spaces[index]) == 0x20_5678)
        let last = mapping.address.rawValue + 4096
        #expect(physical(last, in: spaces[index]) == frame.rawValue + 4096)
        #expect(spaces[index].translate(VirtualAddress(last))?.address == frame + 4096)
        #expect(spaces[index].problems == [])
      }
      #expect(KernelSpace.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `the user range is 56 bits, less a page`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        let last: UInt64 = 0x00ff_ffff_ffff_e000
        for address in [0, 0x7fff_ffff_f000, 0x8000_0000_0000, 1 << 48 - 4096, 1 << 48, last]
          as [UInt64]
        {
          let frame = try mapFrame(at: address, in: space)
          #expect(physical(address + 0x123, in: space) == frame.rawValue + 0x123)
          #expect(space.translate(VirtualAddress(address + 0x123))?.address == frame + 0x123)
        }
        #expect(VmSpace.end == VirtualAddress(last + 4096))
        #expect(space.problems == [])
        space.activate()
        _ = try space.reader(at: VirtualAddress(last), byteCount: 4096)
        VmSpace.deactivate()
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.mmu.violations == [])
    }

    @Test func `a cursor reaches the end of the user range and no further`() throws {
      let space = try VmSpace()
      for range in [
        bytes(0x00ff_ffff_ffff_f000, 4096), bytes(0x00ff_ffff_ffff_e000, 8192),
        bytes(1 << 56, 4096), bytes(0xfeff_ffff_ffff_f000, 4096), bytes(Self.directMap, 4096),
        bytes(KernelSpace.area.lowerBound.rawValue, 4096),
      ] {
        var error: TesseraError?
        do throws(TesseraError) { _ = try space.cursor(over: range) } catch let found {
          error = found
        }
        #expect(error == .outOfBounds)
      }
      let whole = VmSpace.start..<VmSpace.end
      try mapFrame(at: 0x00ff_ffff_ffff_e000, in: space)
      var cursor = try space.cursor(over: whole)
      let isFound = cursor.findNext(within: whole.upperBound.rawValue)
      #expect(isFound && cursor.address == VirtualAddress(0x00ff_ffff_ffff_e000))
      try cursor.unmap(4096)
      #expect(cursor.address == VmSpace.end)
    }

    @Test func `an address that is not canonical is not mapped`() throws {
      let space = try VmSpace()
      for address in [1 << 56, 0x00ff_ffff_ffff_ffff + 0x1234, 0xfeff_ffff_ffff_ffff] as [UInt64] {
        #expect(space.translate(VirtualAddress(address)) == nil)
        #expect(!VirtualAddress(address).isCanonical)
      }
      #expect(VirtualAddress(0x0000_8000_0000_0000).isCanonical)
      #expect(VirtualAddress(0x00ff_ffff_ffff_ffff).isCanonical)
    }

    @Test func `the kernel virtual area is looked up in the active root`() throws {
      let root = try FrameAllocator.allocate()
      unsafe Processor.loadRootRegister(root.rawValue)
      #expect(KernelSpace.isAreaAbsent)
      Self.set(0x1003, at: KernelSpace.area.lowerBound.rawValue, PagingLevel(5), of: root)
      #expect(!KernelSpace.isAreaAbsent)
    }
  }
}

/// Makes the processor use five levels of tables, for as long as this lives.
private final class FiveLevelProcessor {
  init() {
    SimulatedMachine.setFeatures(physicalAddressWidth: 52, hasFiveLevels: true)
    unsafe PagingMode.install(PagingMode(rootLevel: PagingLevel(5)))
  }

  deinit {
    SimulatedMachine.setFeatures()
    unsafe PagingMode.install(PagingMode())
  }
}
