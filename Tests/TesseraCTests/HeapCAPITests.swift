import CTessera
import CallFuzz
import Foundation
import SimulatedMachine
import TesseraHeader
import TesseraHeap
import Testing

extension OnSimulatedMachine {
  @Suite("The heap in C") struct HeapCAPITests {
    let machine: LoadedMachine

    init() throws { machine = try LoadedMachine.started() }

    private var info: tessera_heap_info {
      var info = tessera_heap_info()
      info.size = UInt64(MemoryLayout<tessera_heap_info>.size)
      expect(tessera_heap_query(&info), TESSERA_OK)
      return info
    }

    @Test func `objects are aligned to 16, and null is freed in silence`() {
      let free = machine.freeFrames
      for size in [0, 1, 16, 17, 2048, 2049, 5000, 100_000] {
        guard let object = tessera_malloc(size) else {
          Issue.record("no object of \(size) bytes")
          continue
        }
        #expect(UInt(bitPattern: object) % 16 == 0)
        #expect(tessera_usable_size(object) >= max(1, size))
        memset(object, 0xa5, size)
        tessera_free(object)
      }
      tessera_free(nil)
      #expect(tessera_usable_size(nil) == 0)
      #expect(info.used_bytes == 0)
      tessera_heap_trim()
      #expect(info.frames == 1, "the record of the processor")
      #expect(machine.freeFrames == free - 1)
    }

    @Test func `no two objects of no bytes have one address`() {
      let first = tessera_malloc(0)
      let second = tessera_calloc(0, 8)
      let third = tessera_calloc(8, 0)
      #expect(first != nil && second != nil && third != nil)
      #expect(first != second && second != third && first != third)
      for object in [first, second, third] { tessera_free(object) }
    }

    @Test func `what cannot be is null`() {
      let huge = Int(bitPattern: 1 << 63)
      #expect(tessera_malloc(huge) == nil && tessera_malloc(-1) == nil)
      #expect(tessera_malloc(.max) == nil && tessera_malloc(1 << 40) == nil)
      #expect(tessera_calloc(1 << 32, 1 << 32) == nil, "the product overflows")
      #expect(tessera_calloc(1 << 62, 4) == nil && tessera_calloc(huge, 1) == nil)
      #expect(tessera_calloc(1, huge) == nil)
      #expect(tessera_malloc_aligned(0, 8) == nil && tessera_malloc_aligned(24, 8) == nil)
      #expect(tessera_malloc_aligned(huge, 8) == nil)
      #expect(info.used_bytes == 0)
    }

    @Test func `calloc fills with zeros what was used before`() {
      for size in [24, 200, 2000, 6000, 50_000] {
        let used = tessera_malloc(size)!
        memset(used, 0xff, size)
        tessera_free(used)
        let object = tessera_calloc(size / 8, 8)!
        let bytes = UnsafeRawBufferPointer(start: object, count: size / 8 * 8)
        #expect(bytes.allSatisfy { $0 == 0 })
        tessera_free(object)
      }
    }

    @Test func `alignments are kept`() {
      for shift in 0..<14 {
        let object = tessera_malloc_aligned(1 << shift, 40)!
        #expect(UInt(bitPattern: object) % (1 << shift) == 0)
        tessera_free(object)
      }
    }

    @Test func `realloc keeps contents, and the object if it fails`() {
      let first = tessera_realloc(nil, 10)!
      memset(first, 7, 10)
      let second = tessera_realloc(first, 5000)!
      let bytes = UnsafeRawBufferPointer(start: second, count: 10)
      #expect(bytes.allSatisfy { $0 == 7 })
      #expect(tessera_realloc(second, .max) == nil && tessera_realloc(second, -1) == nil)
      #expect(bytes.allSatisfy { $0 == 7 })
      let third = tessera_realloc(second, 0)
      #expect(third != nil && tessera_usable_size(third) == 16)
      tessera_free(third)
      #expect(info.used_bytes == 0)
    }

    @Test func `the heap tells what it takes`() {
      let small = tessera_malloc(100)
      let large = tessera_malloc(3 * 4096)
      #expect(info.used_bytes == 112 + 3 * 4096)
      #expect(info.slabs == 1 && info.large_frames == 3 && info.mapped_frames == 0)
      #expect(info.frames == 5)
      var kind = tessera_heap_class()
      kind.size = UInt64(MemoryLayout<tessera_heap_class>.size)
      expect(tessera_heap_query_class(6, &kind), TESSERA_OK)
      #expect(kind.object_size == 112 && kind.used == 1 && kind.objects == 36)
      #expect(kind.slabs == 1 && kind.allocated == 1)
      expect(tessera_heap_query_class(22, &kind), TESSERA_OK)
      #expect(kind.object_size == 2048 && Int(TESSERA_HEAP_CLASSES) == 23)
      expect(tessera_heap_query_class(23, &kind), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_heap_query_class(0, nil), TESSERA_ERROR_INVALID_POINTER)
      kind.size = 8
      expect(tessera_heap_query_class(0, &kind), TESSERA_ERROR_INVALID_SIZE)
      expect(tessera_heap_query(nil), TESSERA_ERROR_INVALID_POINTER)
      var short = tessera_heap_info()
      expect(tessera_heap_query(&short), TESSERA_ERROR_INVALID_SIZE)
      #expect(Heap.sizeClassCount == Int(TESSERA_HEAP_CLASSES))
      #expect(Heap.mappedThreshold == Int(TESSERA_HEAP_MAPPED_THRESHOLD))
      tessera_free(small)
      tessera_free(large)
    }

    @Test func `frames of the heap are not the kernel's`() {
      let object = tessera_malloc(64)!
      let address = UInt64(UInt(bitPattern: object)) - LoadedMachine.directMap
      let frame = address & ~4095
      var query = tessera_frame_info()
      query.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      expect(tessera_frame_query(frame, &query), TESSERA_OK)
      #expect(Int(query.usage) == TESSERA_FRAME_HEAP)
      #expect(tessera_drop(frame) != TESSERA_OK && tessera_share(frame) != TESSERA_OK)
      #expect(tessera_claim(frame) != TESSERA_OK && tessera_frame_bytes(frame) == nil)
      tessera_free(object)
    }

    @Test func `the dump is written, and its function is required`() {
      let object = tessera_malloc(64)
      let count = UnsafeMutablePointer<Int>.allocate(capacity: 1)
      count.initialize(to: 0)
      defer { count.deallocate() }
      let result = tessera_heap_dump(
        { context, _, length in context!.assumingMemoryBound(to: Int.self).pointee += length },
        count)
      expect(result, TESSERA_OK)
      #expect(count.pointee > 80)
      expect(tessera_heap_dump(nil, nil), TESSERA_ERROR_INVALID_POINTER)
      tessera_free(object)
    }
  }

  @Suite("The heap in C before the start") struct HeapBeforeStartTests {
    @Test func `nothing is allocated before the start`() {
      _ = LoadedMachine()
      #expect(tessera_malloc(1) == nil && tessera_calloc(1, 1) == nil)
      #expect(tessera_malloc_aligned(64, 1) == nil && tessera_realloc(nil, 1) == nil)
      tessera_free(nil)
      tessera_heap_trim()
      var info = tessera_heap_info()
      expect(tessera_heap_query(&info), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_heap_dump({ _, _, _ in }, nil), TESSERA_ERROR_NOT_STARTED)
      var kind = tessera_heap_class()
      expect(tessera_heap_query_class(0, &kind), TESSERA_ERROR_NOT_STARTED)
    }
  }
}
