internal import CBenchmarks
internal import TesseraFrames
internal import TesseraHeap

/// The sizes of the two patterns: frames whose slots stay in a processor's own caches, and frames
/// whose slots do not.
private let hot = 8_192
private let cold = 262_144

/// How many frames the machine has: some more, because the allocator keeps a few apart.
private let all = cold + 8_192

/// Measures times, and writes a line for each row and pattern.
@c(benchmarks_time)
public func measureTimes() {
  Clock.calibrate()
  let machine = Machine(frameCount: all)
  LoopGroup.visitAll { group in
    group.time(on: machine, frameCount: hot, rounds: Samples.capacity)
    if !group.isHotOnly { group.time(on: machine, frameCount: cold, rounds: 11) }
  }
  PairTimes.measureAll()
  machine.expectAllFramesBack()
  countNodes(on: machine, pageCount: cold)
  PagerMemory.measureAll(on: machine)
  HeapTimes.measureAll()
  Heap.stop()
  machine.expectAllFramesBack()
}

/// Counts the nodes below the root that `pageCount` contiguous pages take, from an
/// address where no page of 1 GiB starts.
private func countNodes(on machine: borrowing Machine, pageCount: Int) {
  allocateUncountedFrames(pageCount)
  machine.drain()
  let before = FrameAllocator.statistics.usedFrameCount + 1
  fillSpace(pageCount)
  machine.drain()
  Report.write(
    pageCount: pageCount, nodeCount: FrameAllocator.statistics.usedFrameCount - before)
  tearDown(1)
  machine.expectAllFramesBack()
}

/// Runs each loop over `frameCount` frames, for a profiler that counts instructions, and writes how
/// many operations each of them did.
@c(benchmarks_count)
public func runForCounting(_ frameCount: Int) {
  let machine = Machine(frameCount: all)
  let rounds = frameCount > hot ? 1 : 8
  LoopGroup.visitAll { group in
    guard !group.touchesMemory, frameCount == hot || !group.isHotOnly else { return }
    group.run(on: machine, frameCount: frameCount, rounds: rounds)
    group.reportOperations(frameCount: frameCount, rounds: rounds)
  }
  if frameCount == hot { HeapTimes.run { $0 == .tessera } }
  Heap.stop()
  machine.expectAllFramesBack()
  countKnown()
}

/// The same for the heaps that Tessera's is compared with.
@c(benchmarks_count_others)
public func runOthersForCounting() {
  HeapTimes.run { $0 != .tessera }
  countKnown()
}

private func countKnown() {
  limit_known(1_000)
  Report.write("limit_known", operations: 1_000)
}
