internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware

/// The demonstration of frames: allocates every free frame, writes and verifies each, shares and
/// drops handles, frees all in shuffled order, and checks that no frame is lost.
struct FrameDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  /// Continues to count in `checks`.
  init(_ checks: Checks) { self.checks = checks }

  private mutating func check(_ holds: Bool, _ claim: StaticString) { checks.check(holds, claim) }

  /// Runs all steps. Each prints a line.
  mutating func run() {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    do throws(TesseraError) {
      // The handles of all frames, as addresses: a kernel has no heap for them but its own frames.
      let tableFrameCount = Int(before.managedFrameCount / (PageSize.fourKiB.byteCount / 8)) + 1
      let table = try Segment(allocating: tableFrameCount) { _ in PlainMemory() }
      let count = allocateEveryFrame(into: table)
      check(
        count + UInt64(tableFrameCount) == before.freeFrameCount,
        "every free frame can be allocated")
      verifyPatterns(of: table, count)
      shareAndDrop(table, count)
      freeShuffled(table, count)
    } catch {
      check(false, "the addresses of all frames fit in memory")
    }
    checkNothingIsLost(since: before)
    checkInvariants()
  }
}

extension FrameDemonstration {
  /// Allocates frames until none is left, fills each with a pattern of its own, and returns their
  /// number.
  private mutating func allocateEveryFrame(into table: borrowing Segment<PlainMemory>) -> UInt64 {
    let start = begin("allocate and fill every frame")
    var count: UInt64 = 0
    while let frame = try? Frame(allocating: PlainMemory(), .uninitialized) {
      frame.fill(with: Self.pattern(of: frame.address))
      table.setWord(frame.relinquish().rawValue, at: count * 8)
      count += 1
      reportProgress(count)
    }
    end(start, count)
    return count
  }

  private mutating func verifyPatterns(of table: borrowing Segment<PlainMemory>, _ count: UInt64) {
    let start = begin("verify the content of each frame")
    for index in 0..<count {
      let frame = Self.adopt(index, of: table)
      check(frame.isFilled(with: Self.pattern(of: frame.address)), "a frame holds its pattern")
      _ = frame.relinquish()
      reportProgress(index + 1)
    }
    end(start, count)
  }

  private mutating func shareAndDrop(_ table: borrowing Segment<PlainMemory>, _ count: UInt64) {
    let start = begin("share each frame twice, and drop")
    for index in 0..<count {
      let frame = Self.adopt(index, of: table)
      let second = frame.share()
      let third = second.share()
      check(frame.referenceCount == 3, "a frame shared twice has three owners")
      _ = consume second
      _ = consume third
      check(frame.referenceCount == 1, "two handles dropped leave one owner")
      _ = frame.relinquish()
      reportProgress(index + 1)
    }
    end(start, count)
  }

  /// Drops the last handle of each frame in random order.
  private mutating func freeShuffled(_ table: borrowing Segment<PlainMemory>, _ count: UInt64) {
    let start = begin("free all frames in shuffled order")
    var random = RandomNumbers(seed: 0x7e55_e7a0)
    var left = count
    while left > 0 {
      let chosen = random.next(below: left) * 8
      let address = table.word(at: chosen)
      left -= 1
      table.setWord(table.word(at: left * 8), at: chosen)
      // SAFETY: the word was relinquished by `allocateEveryFrame`, and has just been overwritten.
      _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address))
      reportProgress(count - left)
    }
    end(start, count)
  }

  private mutating func checkNothingIsLost(since before: FrameStatistics) {
    FrameAllocator.drainCache()
    let after = FrameAllocator.statistics
    check(after.freeFrameCount == before.freeFrameCount, "as many frames are free as before")
    check(
      after.largestFreeBlock == before.largestFreeBlock,
      "the largest free block is as large as before")
    console.write("tessera: free frames: ")
    console.write(decimal: after.freeFrameCount, grouped: true)
    console.write("; largest free block: ")
    console.write(decimal: after.largestFreeBlock, grouped: true)
    console.writeLine()
  }

  private mutating func checkInvariants() {
    let start = begin("check the invariants of all slots")
    let counted = FrameTable.frameCount
    var broken = 0
    FrameTable.checkInvariants { rule, address in
      broken += 1
      if broken <= 10 { Self.report(rule, address) }
    }
    FrameAllocator.checkInvariants { rule in
      broken += 1
      if broken <= 10 { Self.report(rule, .zero) }
    }
    check(broken == 0, "all invariants of slots and allocator hold")
    end(start, counted)
  }
}

extension FrameDemonstration {
  /// The pattern for the frame at `address`: unique, and not a plausible address.
  private static func pattern(of address: PhysicalAddress) -> UInt64 {
    address.rawValue ^ 0x7e55_e7a5_5e55_e7a5
  }

  /// The handle that is stored at `index`.
  private static func adopt(
    _ index: UInt64, of table: borrowing Segment<PlainMemory>
  ) -> Frame<PlainMemory> {
    // SAFETY: `allocateEveryFrame` relinquished the word; each adopter relinquishes it again.
    unsafe Frame(adopting: PhysicalAddress(table.word(at: index * 8)))
  }

  private static func report(_ rule: StaticString, _ address: PhysicalAddress) {
    var console = Console()
    console.write("tessera: FAIL: invariant violated: ")
    console.write(rule)
    console.write(", frame ")
    console.write(address)
    console.writeLine()
  }

  /// Prints the name of a step. Returns the start time, for `end`.
  private mutating func begin(_ step: StaticString) -> UInt64 {
    console.write("tessera: ")
    console.write(step, paddedTo: 40)
    return Processor.timestamp
  }

  /// Prints the time per frame of a step on `count` frames.
  private mutating func end(_ start: UInt64, _ count: UInt64) {
    let cycles = Processor.timestamp - start
    console.write(" ")
    console.write(decimal: count, width: 10, grouped: true)
    console.write(" frames, ")
    console.write(decimal: cycles / max(1, count), width: 6, grouped: true)
    console.write(" cycles each\n")
  }

  /// Prints a dot for every 2^18 frames.
  private mutating func reportProgress(_ count: UInt64) {
    if count % (1 << 18) == 0 { console.write(".") }
  }
}
