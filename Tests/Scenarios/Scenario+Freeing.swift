internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func freeingInAnyOrder(_ checks: inout Checks) throws(FrameError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    var generator = SplitMix(seed: 0x5eed)
    for _ in 0..<20 {
      var run = try BareRun(64)
      var order = InlineArray<64, Int> { $0 }
      for index in 0..<63 { order.swapAt(index, index + generator.below(64 - index)) }
      for index in 0..<64 { run.free(at: order[index]) }
      FrameAllocator.drainCache()
      checks.expect(FrameAllocator.statistics == before, "frames merge in whatever order they come")
    }
  }

  static func freeingInPieces(_ checks: inout Checks) throws(FrameError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    var generator = SplitMix(seed: 0xf00d)
    for round in 0..<30 {
      var run = try BareRun(50 + round)
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

  static func coalescing(_ checks: inout Checks) throws(FrameError) {
    var run = try BareRun(32)
    // Every second frame is free: no two of them can merge.
    for index in 0..<16 { run.free(at: 2 * index) }
    FrameAllocator.drainCache()
    var held = HeldMemory()
    try held.takeAll()
    checks.expect(FrameAllocator.statistics.largestFreeBlock == 0, "all memory is taken")
    for index in 0..<16 { run.free(at: 2 * index + 1) }
    FrameAllocator.drainCache()
    checks.expect(
      FrameAllocator.statistics.largestFreeBlock == 1, "frames that do not touch do not merge")
    _ = consume held
    FrameAllocator.drainCache()
    checks.expect(FrameAllocator.statistics.largestFreeBlock >= 32, "neighbours merge")
  }

  static func cacheOverflow(_ checks: inout Checks) throws(FrameError) {
    let before = FrameAllocator.statistics.usedFrameCount
    for round in 1...2 {
      var list = FrameList<Tally>()
      for value in 0..<80 * round {
        list.pushFront(try UniqueFrame(allocating: Tally(UInt64(value)), .uninitialized))
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

  static func exhaustion(_ checks: inout Checks) throws(FrameError) {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    let window = try BareRun(128)
    var held = HeldMemory()
    try held.takeAll()
    checks.expect(FrameAllocator.statistics.freeFrameCount == 0, "all memory is taken")
    let start = window.address
    let end = window.end
    _ = consume window
    for _ in 0..<2 {
      var list = FrameList<Tally>()
      let outcome = Refusal.of { () throws(FrameError) in
        while true {
          let frame = try UniqueFrame(allocating: Tally(1))
          let isInWindow = start <= frame.address && frame.address < end
          checks.expect(isInWindow, "only free memory is given out")
          list.pushBack(frame)
        }
      }
      checks.expect(outcome == .outOfFrames, "an allocation without memory is refused")
      let now = FrameAllocator.statistics
      // An allocation that was made to fail is another matter than a lack of memory.
      guard now.freeFrameCount + now.cachedFrameCount == 0 else { throw .outOfFrames }
      checks.expect(list.count == 128, "every frame was given out once")
      checks.expect(
        now.usedFrameCount == before.managedFrameCount, "all frames are out when it is refused")
      let run = Refusal.of { () throws(FrameError) in _ = try FrameAllocator.allocate(2) }
      checks.expect(run == .outOfFrames, "and so is a run")
    }
    _ = consume held
    FrameAllocator.drainCache()
    checks.expect(FrameAllocator.statistics == before, "everything comes back")
  }

  static func runFromCache(_ checks: inout Checks) throws(FrameError) {
    var window = try BareRun(32)
    var held = HeldMemory()
    try held.takeAll()
    for index in 0..<32 { window.free(at: index) }
    checks.expect(FrameAllocator.statistics.cachedFrameCount == 32, "all free frames are cached")
    let whole = try BareRun(32)
    checks.expect(whole.address == window.address, "a run is found though its frames are cached")
  }

  static func bareErrors(_ checks: inout Checks) throws(FrameError) {
    let none: [3 of Int] = [0, -1, .min]
    for index in none.indices {
      let count = none[index]
      let refusal = Refusal.of { () throws(FrameError) in _ = try FrameAllocator.allocate(count) }
      checks.expect(refusal == .empty, "no frames at all are refused")
    }
    let tooMany: [6 of Int] = [1 << 31, 1 << 40, 1 << 51, 1 << 52, 1 << 61, 1 << 62]
    for index in tooMany.indices {
      let count = tooMany[index]
      for delta in -1...1 {
        let refusal = Refusal.of { () throws(FrameError) in
          _ = try FrameAllocator.allocate(count + delta)
        }
        checks.expect(refusal == .outOfFrames, "more than all memory is refused")
      }
    }
    let most = Refusal.of { () throws(FrameError) in _ = try FrameAllocator.allocate(.max) }
    checks.expect(most == .outOfFrames, "the largest number is refused")
  }

  static func statisticsAddUp(_ checks: inout Checks) throws(FrameError) {
    let before = FrameAllocator.statistics
    let frame = try Frame(allocating: Tally(1))
    let unique = try UniqueFrame(allocating: Tally(2))
    let segment = try Segment(allocating: 7) { _ in PlainMemory() }
    let bare = try BareRun(3)
    let now = FrameAllocator.statistics
    checks.expect(now.managedFrameCount == before.managedFrameCount, "no frame appears")
    checks.expect(
      now.usedFrameCount + now.freeFrameCount + now.cachedFrameCount == now.managedFrameCount,
      "used, free and cached frames are all frames")
    checks.expect(now.usedFrameCount == before.usedFrameCount + 12, "each allocation is counted")
    checks.expect(now.largestFreeBlock <= now.freeFrameCount, "a block is not more than all")
    checks.expect(now.largestFreeBlock.nonzeroBitCount == 1, "a block is a power of two")
    checks.expect(frame.address != unique.address, "two frames are two frames")
    checks.expect(segment.end <= bare.address || bare.end <= segment.address, "runs are apart")
  }

  static func censusAddsUp(_ checks: inout Checks) throws(FrameError) {
    FrameAllocator.drainCache()
    let before = FrameTable.census
    let frame = try Frame(allocating: Tally(1))
    let second = frame.share()
    let unique = try UniqueFrame(allocating: Tally(2))
    let segment = try Segment(allocating: 6) { _ in PlainMemory() }
    let bare = try BareRun(2)
    let now = FrameTable.census
    checks.expect(now.shared == before.shared + 7, "frames with counted owners are counted once")
    checks.expect(now.unique == before.unique + 1, "unique frames are counted")
    checks.expect(now.unused == before.unused + 2, "bare frames are nobody's")
    checks.expect(now.free == before.free - 10, "what is out is not free")
    checks.expect(
      now.count(of: .object) == before.count(of: .object) + 8, "frames in use are objects")
    checks.expect(
      now.unused + now.free + now.unique + now.shared == FrameTable.frameCount,
      "every frame is in one state")
    checks.expect(second.referenceCount == 2 && unique.metadata.value == 2, "handles are alive")
    checks.expect(segment.frameCount == 6 && bare.frameCount == 2, "runs are alive")
  }
}
