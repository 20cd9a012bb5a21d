internal import CBenchmarks
internal import TesseraHardware
internal import TesseraHeap

// What the loops in C call; see heaps.h.

@c(heap_allocate)
public func allocateObject(_ byteCount: Int) -> UnsafeMutableRawPointer? {
  unsafe try? Heap.allocate(byteCount: byteCount)
}

@c(heap_release)
public func releaseObject(_ object: UnsafeMutableRawPointer?) {
  // SAFETY: the loops free what they have allocated.
  if let object = unsafe object { unsafe Heap.free(object) }
}
