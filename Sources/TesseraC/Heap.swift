// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraHardware
public import TesseraHeader
internal import TesseraHeap

@c @implementation @unsafe
public func tessera_malloc(_ size: Int) -> UnsafeMutableRawPointer! {
  unsafe allocate(size, caller: caller(Processor.returnAddress))
}

@c @implementation @unsafe
public func tessera_calloc(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer! {
  let (byteCount, overflow) = count.multipliedReportingOverflow(by: size)
  guard !overflow, count >= 0, size >= 0 else { return nil }
  return unsafe allocate(
    byteCount, isZeroed: true, caller: caller(Processor.returnAddress))
}

@c @implementation @unsafe
public func tessera_malloc_aligned(
  _ alignment: Int, _ size: Int
) -> UnsafeMutableRawPointer! {
  guard alignment > 0, alignment & (alignment - 1) == 0 else { return nil }
  return unsafe allocate(
    size, alignment: max(alignment, Heap.leastAlignment), caller: caller(Processor.returnAddress))
}

@c @implementation @unsafe
public func tessera_realloc(
  _ object: UnsafeMutableRawPointer?, _ size: Int
) -> UnsafeMutableRawPointer! {
  let caller = caller(Processor.returnAddress)
  guard let object = unsafe object else { return unsafe allocate(size, caller: caller) }
  guard size >= 0 else { return nil }
  // SAFETY: the header says what `object` is.
  return unsafe try? Heap.resize(object, byteCount: size, caller: caller)
}

@c @implementation @unsafe
public func tessera_free(_ object: UnsafeMutableRawPointer?) {
  // SAFETY: the header says what `object` is.
  if let object = unsafe object { unsafe Heap.free(object) }
}

@c @implementation @unsafe
public func tessera_usable_size(_ object: UnsafeRawPointer?) -> Int {
  guard let object = unsafe object else { return 0 }
  // SAFETY: the header says what `object` is.
  return unsafe Heap.byteCount(of: UnsafeMutableRawPointer(mutating: object))
}

@c @implementation
public func tessera_heap_trim() {
  if Boot.isStarted { Heap.trim() }
}

/// The address of the code that allocates an object, where anybody wants to know.
@inline(__always)
private func caller(_ address: @autoclosure () -> UInt64) -> UInt64 {
  SimulationHooks.poisonsFreedFrames ? address() : 0
}

/// Allocates an object. Returns nil if there is no memory, also for a size that is negative: beyond
/// what a signed number holds.
@inline(__always)
@unsafe private func allocate(
  _ size: Int, alignment: Int = 16, isZeroed: Bool = false, caller: UInt64
) -> UnsafeMutableRawPointer? {
  // SAFETY: the caller gets what it asked for. There are no slabs before the start.
  guard alignment <= Heap.leastAlignment else {
    return unsafe allocateSlowly(size, alignment, isZeroed: isZeroed, caller: caller)
  }
  return unsafe Heap.allocateFast(size, isZeroed: isZeroed) {
    unsafe allocateSlowly(size, alignment, isZeroed: isZeroed, caller: caller)
  }
}

@inline(never)
@unsafe private func allocateSlowly(
  _ size: Int, _ alignment: Int, isZeroed: Bool, caller: UInt64
) -> UnsafeMutableRawPointer? {
  guard size >= 0, Boot.isStarted else { return nil }
  // SAFETY: as above.
  return unsafe try? Heap.allocateSlowly(size, alignment, isZeroed: isZeroed, caller: caller)
}

@c @implementation @unsafe
public func tessera_heap_query(
  _ info: UnsafeMutablePointer<tessera_heap_info>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let info = unsafe try CallerOut(sized: info)
    let statistics = Heap.statistics
    info.write(
      tessera_heap_info(
        size: tessera_heap_info.currentSize, used_bytes: statistics.usedByteCount,
        frames: statistics.frameCount, slabs: statistics.slabCount,
        large_frames: statistics.largeFrameCount, mapped_frames: statistics.mappedFrameCount))
  }
}

@c @implementation @unsafe
public func tessera_heap_query_class(
  _ index: UInt32, _ info: UnsafeMutablePointer<tessera_heap_class>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let info = unsafe try CallerOut(sized: info)
    try check(index < UInt32(Heap.sizeClassCount), TESSERA_ERROR_OUT_OF_BOUNDS)
    let statistics = Heap.statistics(ofSizeClass: Int(index))
    info.write(
      tessera_heap_class(
        size: tessera_heap_class.currentSize, object_size: UInt64(statistics.byteCount),
        used: statistics.usedCount, objects: statistics.objectCount,
        slabs: statistics.slabCount, allocated: statistics.allocatedCount))
  }
}

@c @implementation @unsafe
public func tessera_heap_dump(
  _ write: tessera_write_fn?, _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    // SAFETY: the header says how the function is called.
    var sink = try unsafe CallbackSink(write, context)
    Heap.dump(to: &sink)
  }
}
