internal import CBenchmarks
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Loops that two processors run at once, each over pages and frames of its own. They get the number
// of the processor and how many operations to do. A cursor over pages has one page.

/// Each processor allocates the frames that it maps: of those that another one has allocated, it
/// would first have to fetch the slots. They do so in turn, so that the frames of each are
/// contiguous: where small groups of both alternate, a processor that prefetches fetches what the
/// other one writes.
@c(benchmark_setup_two_first_alloc)
public func allocateFramesOfFirst(_ processor: Int, _ count: Int) {
  if processor == 0 { allocate(count, 0) }
}

@c(benchmark_setup_two_second_alloc)
public func allocateFramesOfSecond(_ processor: Int, _ count: Int) {
  if processor == 1 { allocate(count, count) }
}

@c(benchmark_two_map)
public func mapOwnPages(_ processor: Int, _ count: Int) {
  // SAFETY: each processor put as many handles there, and each is moved out once.
  let places = unsafe Handles.places(of: Frame<PlainMemory>.self) + processor * count
  for index in 0..<count {
    var frame: Frame<PlainMemory>? = unsafe (places + index).move()
    // SAFETY: the spaces that stay were made at the start.
    var cursor = cursor(
      over: PairSpace.page(processor, index), of: unsafe Spaces.active.pointee)
    do throws(TesseraError) { try cursor.map(&frame, as: .userReadWrite) } catch { stop() }
  }
}

@c(benchmark_two_query)
public func queryOwnPages(_ processor: Int, _ count: Int) {
  var mapped: UInt64 = 0
  for index in 0..<count {
    // SAFETY: the spaces that stay were made at the start.
    var cursor = cursor(
      over: PairSpace.page(processor, index), of: unsafe Spaces.active.pointee)
    cursor.forEachRun(within: 4096) { run in
      if case .mapped = run.content { mapped += run.byteCount }
    }
  }
  require(mapped == byteCount(count), "a benchmark's query missed a page")
}

@c(benchmark_two_protect)
public func protectOwnPages(_ processor: Int, _ count: Int) {
  for index in 0..<count {
    // SAFETY: the spaces that stay were made at the start.
    var cursor = cursor(
      over: PairSpace.page(processor, index), of: unsafe Spaces.active.pointee)
    do throws(TesseraError) { try cursor.protect(4096, to: .read) } catch { stop() }
  }
}

@c(benchmark_two_unmap)
public func unmapOwnPages(_ processor: Int, _ count: Int) {
  for index in 0..<count {
    // SAFETY: the spaces that stay were made at the start.
    var cursor = cursor(
      over: PairSpace.page(processor, index), of: unsafe Spaces.active.pointee)
    do throws(TesseraError) { try cursor.unmap(4096) } catch { stop() }
  }
}

/// Allocates and frees so few frames at a time that they come from the processor's own cache.
@c(benchmark_two_alloc)
public func allocateAndFreeFewFrames(_ processor: Int, _ count: Int) {
  for _ in 0..<count / 32 { allocateAndFree(32, processor * count) }
}

/// Allocates and frees so many frames at a time that they come from the lists that all processors
/// share.
@c(benchmark_two_alloc_many)
public func allocateAndFreeManyFrames(_ processor: Int, _ count: Int) {
  allocateAndFree(count, processor * count)
}

@inline(__always)
private func allocateAndFree(_ count: Int, _ first: Int) {
  allocate(count, first)
  // SAFETY: this is where they are.
  unsafe dropFrames(at: Handles.places(of: Frame<PlainMemory>.self) + first, count)
}

/// Puts `count` frames into the places from `first` on.
@inline(__always)
private func allocate(_ count: Int, _ first: Int) {
  // SAFETY: no other processor uses these places, which hold nothing.
  let places = unsafe Handles.places(of: Frame<PlainMemory>.self) + first
  do throws(TesseraError) {
    for index in 0..<count {
      let frame = try Frame(allocating: PlainMemory(), .uninitialized)
      unsafe (places + index).initialize(to: frame)
    }
  } catch { panic("a benchmark ran out of frames") }
}

/// One function for all, and not inlined: what is destroyed in many places is nowhere inlined, and
/// the rows of one processor would be about something else.
@inline(never)
@unsafe private func dropFrames(at places: UnsafeMutablePointer<Frame<PlainMemory>>, _ count: Int) {
  // SAFETY: the caller has put `count` handles there.
  for index in 0..<count { unsafe (places + index).deinitialize(count: 1) }
}

/// Work that needs nothing but a processor: what two of this computer can do at best.
@c(benchmark_two_apart)
public func workApart(_ processor: Int, _ count: Int) { limit_known(64 * count) }
