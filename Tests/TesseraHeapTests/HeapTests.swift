import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraHeap

extension OnSimulatedMachine {
  @Suite("Heap") struct HeapTests {
    private static let frameCount = 512
    let machine = SimulatedMachine(frameCount: frameCount, reserved: 2, processorCount: 3)

    init() throws {
      try machine.startKernelSpace()
      try machine.startProcessors()
    }

    private var usedFrameCount: UInt64 { FrameAllocator.statistics.usedFrameCount }

    private func allocate(_ byteCount: Int, alignment: Int = 16) throws -> UInt {
      UInt(bitPattern: try unsafe Heap.allocate(byteCount: byteCount, alignment: alignment))
    }

    private func free(_ address: UInt) {
      unsafe Heap.free(UnsafeMutableRawPointer(bitPattern: address)!)
    }

    @Test func `each size gets the smallest class that holds it`() throws {
      var classes: Set<Int> = []
      for byteCount in 0...2048 {
        let object = try allocate(byteCount)
        let size = Heap.capacity(of: object)
        #expect(size >= max(1, byteCount))
        for number in 0..<SizeClass.count where SizeClass.byteCount(of: number) >= byteCount {
          #expect(size <= SizeClass.byteCount(of: number))
        }
        classes.insert(size)
        free(object)
      }
      #expect(classes.count == SizeClass.count)
    }

    /// What the sizes promise of waste; see `SizeClass`.
    @Test func `slabs have no room for another object`() {
      for number in 0..<SizeClass.count {
        let size = SizeClass.byteCount(of: number)
        let count = SizeClass.objectCount(of: number)
        #expect(size % 16 == 0 && count * size > 4096 - 97)
        #expect((size + 16) * count > 4096 || number < 8, "no larger object is as many")
        if number > 0 { #expect(size > SizeClass.byteCount(of: number - 1)) }
      }
    }

    @Test func `the index of an object follows from its offset`() throws {
      for number in 0..<SizeClass.count {
        let size = UInt64(SizeClass.byteCount(of: number))
        for offset in 0..<4096 as Range<UInt64> {
          let product = offset * SizeClass.reciprocal(of: number)
          #expect(product >> 32 == offset / size)
          let isMultiple = product & 0xffff_ffff < SizeClass.reciprocal(of: number)
          #expect(isMultiple == (offset % size == 0))
        }
      }
    }

    @Test(arguments: [1, 16, 24, 100, 1000, 2048, 3000, 9000])
    func `objects are aligned as asked for`(byteCount: Int) throws {
      for shift in 0..<16 {
        let object = try allocate(byteCount, alignment: 1 << shift)
        #expect(object % UInt(max(16, 1 << shift)) == 0)
        free(object)
      }
      #expect(throws: TesseraError.outOfFrames) {
        try unsafe Heap.allocate(byteCount: byteCount, alignment: 1 << 40)
      }
    }

    @Test func `objects of one slab are next to each other, the lowest first`() throws {
      let first = try allocate(100)
      let second = try allocate(100)
      #expect(second == first + 112)
      free(first)
      #expect(try allocate(100) == first)
      #expect(try allocate(112) == second + 112)
    }

    @Test func `empty slabs are returned, but for one and the current one`() throws {
      let objects = try (0..<640).map { _ in try allocate(64) }
      let slabs = { Heap.statistics(ofSizeClass: 3) }
      #expect(slabs().slabCount == 10 && slabs().usedCount == 640)
      let used = usedFrameCount
      for object in objects { free(object) }
      #expect(slabs().slabCount == 2 && slabs().usedCount == 0)
      #expect(usedFrameCount == used - 8)
      Heap.trim()
      #expect(slabs().slabCount == 0)
      #expect(usedFrameCount == used - 10)
      #expect(slabs().allocatedCount == 640)
    }

    @Test func `a partly used slab is used before a new one`() throws {
      let objects = try (0..<640).map { _ in try allocate(64) }
      for object in objects where object % 128 == 0 { free(object) }
      let slabCount = Heap.statistics.slabCount
      let others = try (0..<320).map { _ in try allocate(64) }
      #expect(Heap.statistics.slabCount == slabCount)
      #expect(Set(others) == Set(objects.filter { $0 % 128 == 0 }))
    }

    @Test func `objects that other processors free return to their owner`() throws {
      let objects = try (0..<128).map { _ in try allocate(64) }
      asProcessor(1) { for object in objects { free(object) } }
      #expect(Heap.statistics(ofSizeClass: 3).usedCount == 128, "not taken back yet")
      #expect(asProcessor(1) { Heap.hasFreedByOthers } == false)
      #expect(Heap.hasFreedByOthers)
      let again = try (0..<128).map { _ in try allocate(64) }
      #expect(Set(again) == Set(objects))
      #expect(!Heap.hasFreedByOthers)
      #expect(Heap.statistics(ofSizeClass: 3).slabCount == 2)
    }

    /// Their heaps are found by a call.
    @Test func `processors beyond the first have the same heap`() throws {
      let machine = SimulatedMachine(frameCount: Self.frameCount, reserved: 2, processorCount: 18)
      try machine.startKernelSpace()
      try machine.startProcessors()
      let used = usedFrameCount
      let objects = try asProcessor(17) { try (0..<100).map { _ in try allocate(64) } }
      #expect(Set(objects).count == 100)
      #expect(Heap.statistics(ofSizeClass: 3).slabCount == 2)
      asProcessor(17) { for object in objects[..<50] { free(object) } }
      #expect(Heap.statistics(ofSizeClass: 3).usedCount == 50)
      let another = try asProcessor(17) { try allocate(64) }
      #expect(!objects[50...].contains(another))
      // Those of another processor are taken back when none is left.
      for object in objects[50...] { free(object) }
      #expect(Heap.statistics(ofSizeClass: 3).usedCount == 51)
      asProcessor(17) {
        free(another)
        Heap.trim()
      }
      #expect(Heap.statistics.slabCount == 0)
      Heap.stop()
      #expect(usedFrameCount == used)
    }

    /// More than are taken back at a time.
    @Test func `any number of objects that others free are taken back`() throws {
      let objects = try (0..<2000).map { _ in try allocate(32) }
      asProcessor(2) { for object in objects { free(object) } }
      Heap.trim()
      #expect(Heap.statistics(ofSizeClass: 1).usedCount == 2000 - 256)
      while Heap.hasFreedByOthers { Heap.trim() }
      Heap.trim()
      #expect(Heap.statistics(ofSizeClass: 1).usedCount == 0)
      #expect(Heap.statistics.slabCount == 0)
    }

    @Test func `sizes change in place where they can`() throws {
      func resize(_ object: UInt, _ byteCount: Int) throws -> UInt {
        UInt(
          bitPattern: try unsafe Heap.resize(
            UnsafeMutableRawPointer(bitPattern: object)!, byteCount: byteCount))
      }
      let small = try allocate(100)
      #expect(try resize(small, 112) == small)
      #expect(try resize(small, 97) == small)
      let smaller = try resize(small, 50)
      #expect(smaller != small && Heap.capacity(of: smaller) == 64)
      let large = try allocate(5 * 4096)
      let used = usedFrameCount
      #expect(try resize(large, 4 * 4096 + 1) == large)
      #expect(usedFrameCount == used)
      #expect(try resize(large, 4097) == large)
      #expect(usedFrameCount == used - 3 && Heap.statistics.largeFrameCount == 2)
      #expect(try resize(large, 100) != large)
      #expect(Heap.statistics.largeFrameCount == 0)
    }

    @Test func `frames of the heap say what they are`() throws {
      let small = try allocate(64)
      let large = try allocate(3 * 4096)
      let census = FrameTable.census
      #expect(census.count(of: .slab) == 1)
      #expect(census.count(of: .heap) == 4, "three frames, and the record of the processor")
      #expect(Heap.statistics.frameCount == 5)
      var text = TextBuffer()
      FrameTable.dumpJSON(to: &text)
      #expect(text.text.contains("\"usage\":\"slab\"") && text.text.contains("\"usage\":\"heap\""))
      free(small)
      free(large)
    }

    @Test func `the dump draws how full slabs are`() throws {
      let objects = try (0..<192).map { _ in try allocate(64) }
      for object in objects[64..<110] { free(object) }
      for object in objects[128..<192] { free(object) }
      _ = try allocate(16)
      var text = TextBuffer()
      Heap.dump(to: &text)
      #expect(
        text.text == """
          bytes    objects     in use    slabs
             16        256          1        1  0
             64        192         82        3  #2.
          larger: 0 KiB contiguous, 0 KiB mapped; records: 4 KiB

          """, "\(text.text)")
    }

    @Test func `stopping the heap returns all it has`() throws {
      let used = usedFrameCount
      for processor in 0..<3 {
        try asProcessor(processor) {
          let objects = try (0..<100).map { try allocate($0 * 16) }
          for object in objects { free(object) }
        }
      }
      #expect(usedFrameCount > used)
      Heap.stop()
      #expect(usedFrameCount == used)
      #expect(Heap.statistics == HeapStatistics())
      free(try allocate(100))
    }
  }
}
