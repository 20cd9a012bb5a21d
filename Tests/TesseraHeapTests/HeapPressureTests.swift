import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraFrames
@testable import TesseraHeap

extension OnSimulatedMachine {
  /// What the heap keeps is there for any request for frames.
  @Suite("Heap without memory") struct HeapPressureTests {
    private static let frameCount = 400
    let machine = SimulatedMachine(frameCount: frameCount, processorCount: 3)

    init() throws {
      try machine.startKernelSpace()
      try machine.startProcessors()
    }

    /// Makes each processor keep empty slabs. Returns their number.
    private func leaveEmptySlabs() throws -> UInt64 {
      for processor in 0..<3 {
        try asProcessor(processor) {
          let objects = try (0..<200).map { try unsafe Heap.allocate(byteCount: $0 * 10) }
          for object in objects { unsafe Heap.free(object) }
        }
      }
      return Heap.statistics.slabCount
    }

    private var unusedFrameCount: UInt64 {
      let statistics = FrameAllocator.statistics
      return statistics.freeFrameCount + statistics.cachedFrameCount
    }

    private func allocateAllFrames() -> Int {
      var count = 0
      while (try? FrameAllocator.allocate(1, .uninitialized)) != nil { count += 1 }
      return count
    }

    @Test func `a request for a frame fails only if no processor keeps an empty slab`() throws {
      #expect(try leaveEmptySlabs() >= 60)
      let unused = unusedFrameCount + Heap.statistics.slabCount
      #expect(allocateAllFrames() == unused)
      #expect(Heap.statistics.slabCount == 0)
      #expect(machine.violations == [])
    }

    /// The test above sees slabs that are kept.
    @Test func `a heap that is not asked keeps its slabs`() throws {
      #expect(try leaveEmptySlabs() >= 60)
      let free = unusedFrameCount
      FrameAllocator.stopTrimming()
      #expect(allocateAllFrames() == free)
      #expect(Heap.statistics.slabCount >= 60)
    }

    @Test(arguments: [0, 1])
    func `contiguous frames are found where empty slabs were`(processor: Int) throws {
      func useHeap() throws {
        try asProcessor(processor) { unsafe Heap.free(try Heap.allocate(byteCount: 2048)) }
      }
      try useHeap()
      let run = try FrameAllocator.allocate(128, .uninitialized)
      _ = allocateAllFrames()
      FrameAllocator.free(run, 128)
      try useHeap()
      #expect(Heap.statistics.slabCount == 1)
      #expect(try FrameAllocator.allocate(128, .uninitialized) == run)
      #expect(Heap.statistics.slabCount == 0)
    }

    @Test func `objects freed by others are found before a request fails`() throws {
      var objects: [UnsafeMutableRawPointer] = []
      while let object = try? unsafe Heap.allocate(byteCount: 2048) { objects.append(object) }
      #expect(objects.count > 600)
      asProcessor(2) { for object in objects { unsafe Heap.free(object) } }
      try asProcessor(1) {
        for _ in 0..<objects.count / 2 - 10 { _ = try FrameAllocator.allocate(1, .uninitialized) }
      }
    }

    /// In an order in which no slab becomes empty for long.
    @Test func `a frame is found behind any number of objects freed by others`() throws {
      for _ in 0..<2 {
        var objects: [UnsafeMutableRawPointer] = []
        while let object = try? unsafe Heap.allocate(byteCount: 64) { objects.append(object) }
        #expect(objects.count > 64 * 300)
        objects.sort { UInt(bitPattern: $0) % 4096 < UInt(bitPattern: $1) % 4096 }
        asProcessor(2) { for object in objects { unsafe Heap.free(object) } }
        FrameAllocator.free(try FrameAllocator.allocate(1, .uninitialized))
      }
    }

    @Test func `an object is found behind any number of others freed by others`() throws {
      let small = try (0..<64).map { _ in try unsafe Heap.allocate(byteCount: 64) }
      var objects: [UnsafeMutableRawPointer] = []
      while let object = try? unsafe Heap.allocate(byteCount: 16) { objects.append(object) }
      objects.sort { UInt(bitPattern: $0) % 4096 < UInt(bitPattern: $1) % 4096 }
      asProcessor(2) {
        unsafe Heap.free(small[0])
        for object in objects[..<(objects.count / 2)] { unsafe Heap.free(object) }
      }
      #expect(try unsafe Heap.allocate(byteCount: 64) == small[0])
    }

    @Test func `a processor that stops keeps no empty slab`() throws {
      #expect(try leaveEmptySlabs() >= 60)
      let slabCount = Heap.statistics.slabCount
      asProcessor(1) { FrameAllocator.closeCache() }
      #expect(Heap.statistics.slabCount < slabCount - 15)
    }

    @Test func `every allocation of frames may fail`() throws {
      var ordinal = 1
      var hasFailed = true
      while hasFailed && ordinal < 100 {
        machine.failAllocation(ordinal)
        let before = Heap.statistics
        var objects: [UnsafeMutableRawPointer] = []
        var isComplete = true
        for byteCount in [10, 100, 1000, 2049, 40_000] {
          guard let object = try? unsafe Heap.allocate(byteCount: byteCount, isZeroed: true) else {
            isComplete = false
            break
          }
          objects.append(object)
        }
        if isComplete, let last = objects.popLast() {
          if let larger = try? unsafe Heap.resize(last, byteCount: 80_000) {
            objects.append(larger)
          } else {
            #expect(Heap.capacity(of: UInt(bitPattern: last)) == 40_960)
            objects.append(last)
          }
        }
        hasFailed = machine.hasFailedAllocation
        machine.failAllocation(0)
        for object in objects { unsafe Heap.free(object) }
        Heap.trim()
        #expect(Heap.statistics.usedByteCount == before.usedByteCount)
        #expect(Heap.statistics.slabCount == 0)
        ordinal += 1
        Heap.stop()
      }
      #expect(ordinal > 6 && ordinal < 100)
      #expect(machine.violations == [])
    }
  }
}
