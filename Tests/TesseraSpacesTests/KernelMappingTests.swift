import SimulatedMachine
import Tessera
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
