internal import TesseraFrames
internal import TesseraHardware

/// What the loops over segments are about.
private typealias SegmentLoops = Segment<PlainMemory>

@c(benchmark_segment16_alloc) @inline(never)
public func allocateSegmentsOf16(_ count: Int) { allocateSegments(of: 16, count) }

@c(benchmark_segment16_free) @inline(never)
public func freeSegmentsOf16(_ count: Int) { freeSegments(of: 16, count) }

@c(benchmark_segment512_alloc) @inline(never)
public func allocateSegmentsOf512(_ count: Int) { allocateSegments(of: 512, count) }

@c(benchmark_segment512_free) @inline(never)
public func freeSegmentsOf512(_ count: Int) { freeSegments(of: 512, count) }

@inline(__always)
private func allocateSegments(of frameCount: Int, _ count: Int) {
  // SAFETY: the places hold nothing.
  let places = unsafe Handles.places(of: SegmentLoops.self)
  do throws(TesseraError) {
    for index in 0..<count {
      let segment = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      unsafe (places + index).initialize(to: segment)
    }
  } catch {
    panic("a benchmark ran out of frames")
  }
}

@inline(__always)
private func freeSegments(of frameCount: Int, _ count: Int) {
  // SAFETY: `allocateSegments` put `count` handles there.
  let places = unsafe Handles.places(of: SegmentLoops.self)
  require(unsafe places[0].frameCount == frameCount, "a benchmark mixed up its segments")
  for index in 0..<count { unsafe (places + index).deinitialize(count: 1) }
}
