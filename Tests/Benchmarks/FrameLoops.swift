internal import TesseraFrames
internal import TesseraHardware

// Each loop is a C function that is never inlined, so that a profiler can tell its instructions
// from others. Moving a handle to its place is one store, which the loops of the limit have too.

/// What the loops over single frames are about.
private typealias FrameLoops = Frame<PlainMemory>

@c(benchmark_frame_alloc) @inline(never)
public func allocateFrames(_ count: Int) { allocateAnyFrames(count) }

/// The same where it is not what is measured.
@c(benchmark_setup_frame_alloc) @inline(never)
public func allocateUncountedFrames(_ count: Int) { allocateAnyFrames(count) }

@inline(__always)
private func allocateAnyFrames(_ count: Int) {
  // SAFETY: the places hold nothing.
  let places = unsafe Handles.places(of: FrameLoops.self)
  do throws(TesseraError) {
    for index in 0..<count {
      let frame = try Frame(allocating: PlainMemory(), .uninitialized)
      unsafe (places + index).initialize(to: frame)
    }
  } catch {
    panic("a benchmark ran out of frames")
  }
}

@c(benchmark_frame_alloc_zeroed) @inline(never)
public func allocateZeroedFrames(_ count: Int) {
  // SAFETY: the places hold nothing.
  let places = unsafe Handles.places(of: FrameLoops.self)
  do throws(TesseraError) {
    for index in 0..<count {
      let frame = try Frame(allocating: PlainMemory())
      unsafe (places + index).initialize(to: frame)
    }
  } catch {
    panic("a benchmark ran out of frames")
  }
}

@c(benchmark_share_drop) @inline(never)
public func shareAndDropFrames(_ count: Int) {
  // SAFETY: `allocateFrames` put `count` handles there.
  let places = unsafe Handles.places(of: FrameLoops.self)
  for index in 0..<count {
    let another = unsafe places[index].share()
    _ = consume another
  }
}

@c(benchmark_frame_free) @inline(never)
public func freeFrames(_ count: Int) {
  // SAFETY: `allocateFrames` put `count` handles there.
  let places = unsafe Handles.places(of: FrameLoops.self)
  for index in 0..<count { unsafe (places + index).deinitialize(count: 1) }
}

/// Frees in an order in which contiguous frames are hardly ever neighbours. `count` is a power of
/// two.
@c(benchmark_frame_free_scattered) @inline(never)
public func freeScatteredFrames(_ count: Int) {
  // SAFETY: `allocateFrames` put `count` handles there, and an odd stride meets each of them once.
  let places = unsafe Handles.places(of: FrameLoops.self)
  for index in 0..<count {
    unsafe (places + (index &* 5003) & (count &- 1)).deinitialize(count: 1)
  }
}

@c(benchmark_unique_alloc) @inline(never)
public func allocateUniqueFrames(_ count: Int) {
  // SAFETY: the places hold nothing.
  let places = unsafe Handles.places(of: UniqueFrame<PlainMemory>.self)
  do throws(TesseraError) {
    for index in 0..<count {
      let frame = try UniqueFrame(allocating: PlainMemory(), .uninitialized)
      unsafe (places + index).initialize(to: frame)
    }
  } catch {
    panic("a benchmark ran out of frames")
  }
}

@c(benchmark_unique_free) @inline(never)
public func freeUniqueFrames(_ count: Int) {
  // SAFETY: `allocateUniqueFrames` put `count` handles there.
  let places = unsafe Handles.places(of: UniqueFrame<PlainMemory>.self)
  for index in 0..<count { unsafe (places + index).deinitialize(count: 1) }
}

@c(benchmark_bare_alloc) @inline(never)
public func allocateBareFrames(_ count: Int) {
  // SAFETY: the places hold nothing.
  let places = unsafe Handles.places(of: PhysicalAddress.self)
  do throws(TesseraError) {
    for index in 0..<count {
      let address = try FrameAllocator.allocate(1, .uninitialized)
      unsafe (places + index).initialize(to: address)
    }
  } catch {
    panic("a benchmark ran out of frames")
  }
}

@c(benchmark_bare_free) @inline(never)
public func freeBareFrames(_ count: Int) {
  // SAFETY: `allocateBareFrames` put `count` addresses there.
  let places = unsafe Handles.places(of: PhysicalAddress.self)
  for index in 0..<count { unsafe FrameAllocator.free(places[index]) }
}
