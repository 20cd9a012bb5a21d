import SimulatedMachine
import Tessera
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Kernel mapping") struct KernelMappingTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    @Test func `a mapping maps its frames until it is destroyed`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        var segment: Segment<PlainMemory>? = try Segment(allocating: 3) { _ in PlainMemory() }
        let first = segment?.address ?? .zero
        let mapping = try KernelMapping(&segment)
        #expect(mapping.range.upperBound.byteCount(from: mapping.address) == 3 * 4096)
        for page in 0..<3 as Range<UInt64> {
          let mapped = KernelSpace.translate(VirtualAddress(mapping.address.rawValue + page << 12))
          #expect(mapped?.address == first + page << 12)
          #expect(mapped?.property.isGlobal == true)
          #expect(mapped?.property.isUser == false)
        }
        #expect(KernelSpace.translate(mapping.range.upperBound) == nil)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `an unmapped guard page lies between two mappings`() throws {
      var first: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      var second: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let low = try KernelMapping(&first)
      let high = try KernelMapping(&second)
      #expect(low.range.upperBound.rawValue + 4096 <= high.range.lowerBound.rawValue)
    }

    /// Maps `frameCount` new frames.
    private func map(_ frameCount: Int) throws -> KernelMapping {
      var segment: Segment<PlainMemory>? = try Segment(allocating: frameCount) { _ in PlainMemory()
      }
      return try KernelMapping(&segment)
    }

    /// Maps `gibibytes` GiB of device memory.
    private func mapDevice(gibibytes: UInt64) throws -> KernelMapping {
      try unsafe KernelMapping(
        device: PhysicalAddress(1 << 39), byteCount: gibibytes << 30, as: .device)
    }

    /// Makes the next search wrap: maps and unmaps everything from page `first` of the area to its
    /// last but one.
    private func moveToEnd(from first: UInt64) throws {
      let device = PhysicalAddress(first << 12)
      let mapping = try unsafe KernelMapping(
        device: device, byteCount: 512 << 30 - (first + 2) << 12, as: .device)
      #expect(mapping.address.rawValue == KernelSpace.area.lowerBound.rawValue + first << 12)
    }

    @Test func `every mapping has a guard page on both sides, also after the search wrapped`()
      throws
    {
      try moveToEnd(from: 1)
      let first = try map(3)
      #expect(first.address.rawValue == KernelSpace.area.lowerBound.rawValue + 4096)
      try moveToEnd(from: 5)
      let second = try map(1)
      #expect(second.address.rawValue == first.range.upperBound.rawValue + 4096)
      let third = try map(2)
      for range in [first.range, second.range, third.range] {
        let before = VirtualAddress(range.lowerBound.rawValue - 4096)
        #expect(KernelSpace.translate(before) == nil)
        #expect(KernelSpace.translate(range.upperBound) == nil)
        #expect(KernelSpace.translate(range.lowerBound) != nil)
      }
      #expect(KernelSpace.problems == [])
    }

    @Test func `addresses whose pages have a status are not free`() throws {
      let start: UInt64
      do {
        let mapping = try map(1)
        start = mapping.range.upperBound.rawValue
      }
      // What follows the latest mapping and its guard page.
      let range = bytes(start + 4096, 3 * 4096)
      do {
        var cursor = try KernelSpace.cursor(over: range)
        try cursor.setStatus(3 * 4096, to: 7)
      }
      let mapping = try map(1)
      #expect(mapping.range.lowerBound.rawValue >= range.upperBound.rawValue + 4096)
      var cursor = try KernelSpace.cursor(over: range)
      #expect(try cursor.query().content == .status(7))
      try cursor.unmap(3 * 4096)
    }

    @Test func `a full area is an error, and is left as it was`() throws {
      do {
        let first = try mapDevice(gibibytes: 250)
        let second = try mapDevice(gibibytes: 250)
        #expect(throws: TesseraError.outOfFrames) { _ = try mapDevice(gibibytes: 20) }
        #expect(throws: TesseraError.outOfFrames) {
          _ = try unsafe KernelMapping(
            device: PhysicalAddress(0), byteCount: 512 << 30 - 4096, as: .device)
        }
        #expect(throws: TesseraError.outOfFrames) {
          _ = try unsafe KernelMapping(device: PhysicalAddress(0), byteCount: .max, as: .device)
        }
        let third = try map(1)
        #expect(!third.range.overlaps(first.range) && !third.range.overlaps(second.range))
      }
      // The largest mapping possible: all of the area but the guard pages.
      do {
        let all = try unsafe KernelMapping(
          device: PhysicalAddress(4096), byteCount: 512 << 30 - 8192, as: .device)
        #expect(all.range.lowerBound.rawValue == KernelSpace.area.lowerBound.rawValue + 4096)
        #expect(throws: TesseraError.outOfFrames) { _ = try map(1) }
      }
      #expect(KernelSpace.problems == [])
    }

    @Test(
      arguments: [
        (0xfd00_0000, 16 << 20, [0, 8, 0]), (0xfd00_3000, 5 << 20, [768, 1, 0]),
        (0xfd1f_f000, 2 << 20 + 4096, [1, 1, 0]), (0x1_0000_0000, 1 << 30, [0, 0, 1]),
        (0x1_3fe0_0000, 2 << 30 + 2 << 20, [0, 1, 2]), (0xfd00_1000, 3 << 20, [768, 0, 0]),
        (0xfd00_1000, 4096, [1, 0, 0]),
      ] as [(UInt64, UInt64, [Int])])
    func `device memory is mapped in the largest pages that its address allows`(
      address: UInt64, byteCount: UInt64, counts: [Int]
    ) throws {
      let device = PhysicalAddress(address)
      let mapping = try unsafe KernelMapping(device: device, byteCount: byteCount)
      var found = [0, 0, 0]
      KernelSpace.checkInvariants(
        { rule, _, _ in Issue.record("\(rule)") },
        visit: { _, address, size in
          if mapping.range.contains(address) { found[Int(size.rawValue)] += 1 }
        })
      let small = byteCount >> 12 - UInt64(counts[1]) << 9 - UInt64(counts[2]) << 18
      #expect(found == [Int(small), counts[1], counts[2]])
      let last = mapping.range.upperBound.rawValue - 1
      #expect(KernelSpace.translate(mapping.address)?.address == device)
      #expect(KernelSpace.translate(VirtualAddress(last))?.address == device + (byteCount - 1))
    }

    @Test func `device memory is mapped uncacheable`() throws {
      let device = PhysicalAddress(0xfd00_0000)
      let mapping = try unsafe KernelMapping(device: device, byteCount: 5 << 20)
      let mapped = KernelSpace.translate(VirtualAddress(mapping.address.rawValue + 0x123456))
      #expect(mapped?.address == device + 0x123456)
      #expect(mapped?.property.cachePolicy == .uncacheable)
    }

    @Test func `later kernel mappings are present in every space`() throws {
      let space = try VmSpace()
      var segment: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let mapping = try KernelMapping(&segment)
      #expect(space.translate(mapping.address) != nil)
    }
  }
}
