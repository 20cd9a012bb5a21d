import Tessera
import TesseraHeader

// Calls of the heap. An object in the kernel virtual area is freed before the next call, which
// might unmap it.
extension CallSequence {
  mutating func callOfHeap() {
    let place = Int(next() % 16)
    switch next() % 10 {
    case 0, 1, 2:
      let byteCount = objectSize()
      note(tessera_malloc(byteCount), byteCount, at: place)
    case 3: allocateZeroed(place)
    case 4: allocateAligned(place)
    case 5, 6: resize(place)
    case 7: free(place)
    case 8:
      tessera_heap_trim()
      heap.compareCounts()
    default:
      heap.compareCounts()
      if next() % 4 == 0 { _ = gathering { tessera_heap_dump($0, $1) } }
    }
  }

  /// A size in bytes, of which one of 10 is wrong. With a cursor open over the kernel's space it
  /// is one of an object that is never mapped.
  private mutating func objectSize() -> Int {
    let byteCount: Int =
      switch next() % 10 {
      case 0...4: Int(next()) << 3 | Int(next() % 16)
      case 5, 6: Int(next()) << 7
      case 7: Int(next() % 12) << 12 | Int(next() % 2)
      case 8: next() % 4 == 0 ? most(of: freeFrameCount) : Int(next()) << 13
      default: [-1, .min, .max, 1 << 40][Int(next() % 4)] ^ Int(next())
      }
    return isLocked(CallModel.kernelPlace)
      ? byteCount & (Int(TESSERA_HEAP_MAPPED_THRESHOLD) - 1) : byteCount
  }

  /// The size of an object that leaves few frames free: it is mapped, unless they are contiguous.
  private mutating func most(of frameCount: Int) -> Int {
    max(9, frameCount - 24 - Int(next() % 64)) << 12
  }

  private var freeFrameCount: Int {
    var statistics = tessera_statistics()
    statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
    return Int(tessera_get_statistics(&statistics)) == TESSERA_OK ? Int(statistics.free_frames) : 0
  }

  private mutating func allocateZeroed(_ place: Int) {
    let (count, size) = next() % 2 == 0 ? (objectSize(), 1) : (Int(next()), Int(next() % 64))
    let object = tessera_calloc(count, size)
    if let object { heap.expectZeros(object, count * size) }
    note(object, count * size, at: place)
    guard next() % 8 == 0 else { return }
    let huge = [1 << 32, 1 << 62, .max, -1][Int(next() % 4)]
    heap.expect(tessera_calloc(huge, huge) == nil, "there are objects of \(huge)² bytes")
  }

  private mutating func allocateAligned(_ place: Int) {
    let byteCount = objectSize()
    guard next() % 4 != 0 else {
      let wrong = [0, 24, .min, -16][Int(next() % 4)]
      return heap.expect(
        tessera_malloc_aligned(wrong, byteCount) == nil, "an object is aligned to \(wrong)")
    }
    let alignment = 1 << Int(next() % 15)
    let object = tessera_malloc_aligned(alignment, byteCount)
    heap.expect(
      UInt(bitPattern: object) % UInt(alignment) == 0, "an object is not aligned to \(alignment)")
    note(object, byteCount, alignment: alignment, at: place)
  }

  private mutating func resize(_ place: Int) {
    let byteCount = objectSize()
    guard let old = heap.take(place) else {
      return note(tessera_realloc(nil, byteCount), byteCount, at: place)
    }
    if let object = tessera_realloc(old.address, byteCount) {
      heap.compare(old, min(old.byteCount, byteCount), at: object)
      note(object, byteCount, at: place)
    } else {
      heap.compare(old, old.byteCount)
      heap.put(old.address, old.byteCount, at: place)
      expectShortage(byteCount)
    }
  }

  private func free(_ place: Int) { tessera_free(heap.take(place)?.address) }

  /// A call that was to allocate or resize an object returned `object`.
  private mutating func note(
    _ object: UnsafeMutableRawPointer?, _ byteCount: Int, alignment: Int = 16, at place: Int
  ) {
    guard let object else { return expectShortage(byteCount, alignment) }
    heap.expect(isPossible(byteCount), "there is an object of \(byteCount) bytes")
    heap.expect(UInt(bitPattern: object) % 16 == 0, "an object is not aligned")
    free(place)
    heap.put(object, byteCount, at: place)
    if HeapModel.isMapped(object) {
      mappedObjectCount += 1
      free(place)
    }
    objectCount += 1
  }

  private func isPossible(_ byteCount: Int) -> Bool {
    byteCount >= 0 && UInt64(byteCount) < LoadedMachine.byteCount
  }

  /// A call has returned null: for a small object only if there are no free frames.
  private func expectShortage(_ byteCount: Int, _ alignment: Int = 16) {
    guard isPossible(byteCount), max(byteCount, alignment) <= 2048 else { return }
    heap.expect(
      freeFrameCount < 2, "no object of \(byteCount) bytes, with \(freeFrameCount) free frames")
  }

  /// Frees all objects. Only the heap's record of the processor is left then, and the pager's until
  /// it is stopped.
  func freeObjects() {
    for place in heap.objects.indices { free(place) }
    tessera_heap_trim()
    heap.compareCounts()
    if Pager.isStarted { return }
    let info = heap.info
    heap.expect(info.used_bytes == 0 && info.frames <= 1, "all objects are free, but \(info)")
  }
}
