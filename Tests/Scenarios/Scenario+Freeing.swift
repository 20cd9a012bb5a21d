internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func freeingInAnyOrder(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    var generator = SplitMix(seed: checks.seed ^ 0x5eed)
    for _ in 0..<20 {
      var run = try RawAllocation(64)
      var order = InlineArray<64, Int> { $0 }
      for index in 0..<63 { order.swapAt(index, index + generator.below(64 - index)) }
      for index in 0..<64 { run.free(at: order[index]) }
      FrameAllocator.drainCache()
      checks.expect(FrameAllocator.statistics == before, "frames merge in whatever order they come")
    }
  }

  static func freeingInPieces(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    var generator = SplitMix(seed: checks.seed ^ 0xf00d)
    for round in 0..<30 {
      var run = try RawAllocation(50 + round)
      let first = run.address
      var done = 0
      let count = run.frameCount
      run.forget()
      while done < count {
        let piece = min(count - done, 1 + generator.below(9))
        FrameAllocator.free(first + UInt64(done) * 4096, piece)
        done += piece
      }
      FrameAllocator.drainCache()
      checks.expect(FrameAllocator.statistics == before, "a run may be freed in any portions")
    }
  }

  static func coalescing(_ checks: inout Checks) throws(TesseraError) {
    var run = try RawAllocation(32)
    // Every second frame is free: no two of them can merge.
    for index in 0..<16 { run.free(at: 2 * index) }
    FrameAllocator.drainCache()
    var held = MemoryPressure()
    try held.allocateAll()
    checks.expect(FrameAllocator.statistics.largestFreeBlock == 0, "all memory is taken")
    for index in 0..<16 { run.free(at: 2 * index + 1) }
    FrameAllocator.drainCache()
    checks.expect(
      FrameAllocator.statistics.largestFreeBlock == 1, "frames that do not touch do not merge")
    _ = consume held
    FrameAllocator.drainCache()
    checks.expect(FrameAllocator.statistics.largestFreeBlock >= 32, "neighbours merge")
  }

  static func cacheOverflow(_ checks: inout Checks) throws(TesseraError) {
    let before = FrameAllocator.statistics.usedFrameCount
    for round in 1...2 {
      var list = FrameList<TracedObject>()
      for value in 0..<80 * round {
        list.pushFront(try UniqueFrame(allocating: TracedObject(UInt64(value)), .uninitialized))
      }
      let now = FrameAllocator.statistics
      checks.expect(
        now.usedFrameCount == before + UInt64(80 * round), "frames beyond a cache are counted")
      _ = consume list
      checks.expect(FrameAllocator.statistics.usedFrameCount == before, "and come back")
      checks.expect(
        FrameAllocator.statistics.cachedFrameCount <= 64, "a cache keeps a bounded number")
    }
    FrameAllocator.drainCache()
    checks.expect(FrameAllocator.statistics.cachedFrameCount == 0, "a cache can be emptied")
  }

  static func exhaustion(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    let block = try RawAllocation(128)
    var held = MemoryPressure()
    try held.allocateAll()
    checks.expect(FrameAllocator.statistics.freeFrameCount == 0, "all memory is taken")
    let start = block.address
    let end = block.end
    _ = consume block
    for _ in 0..<2 {
      var list = FrameList<TracedObject>()
      let outcome = ThrownError.of { () throws(TesseraError) in
        while true {
          let frame = try UniqueFrame(allocating: TracedObject(1))
          let isInBlock = start <= frame.address && frame.address < end
          checks.expect(isInBlock, "only free memory is allocated")
          list.pushBack(frame)
        }
      }
      checks.expect(outcome == .outOfFrames, "an allocation without memory fails")
      let now = FrameAllocator.statistics
      // An allocation that was made to fail is another matter than a lack of memory.
      guard now.freeFrameCount + now.cachedFrameCount == 0 else { throw .outOfFrames }
      checks.expect(list.count == 128, "every frame was allocated once")
      checks.expect(
        now.usedFrameCount == before.managedFrameCount, "all frames are in use when it fails")
      let run = ThrownError.of { () throws(TesseraError) in _ = try FrameAllocator.allocate(2) }
      checks.expect(run == .outOfFrames, "and so is a run")
    }
    _ = consume held
    FrameAllocator.drainCache()
    checks.expect(FrameAllocator.statistics == before, "everything comes back")
  }

  static func runFromCache(_ checks: inout Checks) throws(TesseraError) {
    var block = try RawAllocation(32)
    var held = MemoryPressure()
    try held.allocateAll()
    for index in 0..<32 { block.free(at: index) }
    checks.expect(FrameAllocator.statistics.cachedFrameCount == 32, "all free frames are cached")
    let whole = try RawAllocation(32)
    checks.expect(whole.address == block.address, "a run is found though its frames are cached")
  }

  static func rawErrors(_ checks: inout Checks) throws(TesseraError) {
    let none: [3 of Int] = [0, -1, .min]
    for index in none.indices {
      let count = none[index]
      let error = ThrownError.of { () throws(TesseraError) in _ = try FrameAllocator.allocate(count)
      }
      checks.expect(error == .empty, "an allocation of no frames is an error")
    }
    let tooMany: [6 of Int] = [1 << 31, 1 << 40, 1 << 51, 1 << 52, 1 << 61, 1 << 62]
    for index in tooMany.indices {
      let count = tooMany[index]
      for delta in -1...1 {
        let error = ThrownError.of { () throws(TesseraError) in
          _ = try FrameAllocator.allocate(count + delta)
        }
        checks.expect(error == .outOfFrames, "an allocation of more than all memory fails")
      }
    }
    let most = ThrownError.of { () throws(TesseraError) in _ = try FrameAllocator.allocate(.max) }
    checks.expect(most == .outOfFrames, "an allocation of the largest number fails")
  }

  static func statisticsAddUp(_ checks: inout Checks) throws(TesseraError) {
    let before = FrameAllocator.statistics
    let frame = try Frame(allocating: TracedObject(1))
    let unique = try UniqueFrame(allocating: TracedObject(2))
    let segment = try Segment(allocating: 7) { _ in PlainMemory() }
    let raw = try RawAllocation(3)
    let now = FrameAllocator.statistics
    checks.expect(now.managedFrameCount == before.managedFrameCount, "no frame appears")
    checks.expect(
      now.usedFrameCount + now.freeFrameCount + now.cachedFrameCount == now.managedFrameCount,
      "used, free and cached frames are all frames")
    checks.expect(now.usedFrameCount == before.usedFrameCount + 12, "each allocation is counted")
    checks.expect(now.largestFreeBlock <= now.freeFrameCount, "a block is not more than all")
    checks.expect(now.largestFreeBlock.nonzeroBitCount == 1, "a block is a power of two")
    checks.expect(frame.address != unique.address, "two frames are two frames")
    checks.expect(segment.end <= raw.address || raw.end <= segment.address, "runs are apart")
  }

  static func censusAddsUp(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let before = FrameTable.census
    let frame = try Frame(allocating: TracedObject(1))
    let second = frame.share()
    let unique = try UniqueFrame(allocating: TracedObject(2))
    let segment = try Segment(allocating: 6) { _ in PlainMemory() }
    let raw = try RawAllocation(2)
    let now = FrameTable.census
    checks.expect(now.shared == before.shared + 7, "frames with counted owners are counted once")
    checks.expect(now.unique == before.unique + 1, "unique frames are counted")
    checks.expect(now.unused == before.unused + 2, "raw frames are unowned")
    checks.expect(now.free == before.free - 10, "what is out is not free")
    checks.expect(
      now.count(of: .object) == before.count(of: .object) + 8, "frames in use are objects")
    checks.expect(
      now.unused + now.free + now.unique + now.shared == FrameTable.frameCount,
      "every frame is in one state")
    checks.expect(second.referenceCount == 2 && unique.metadata.value == 2, "handles are alive")
    checks.expect(segment.frameCount == 6 && raw.frameCount == 2, "runs are alive")
  }
}
