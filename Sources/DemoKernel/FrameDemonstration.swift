internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware

/// What the demo does with frames: takes every one there is, writes and verifies each, shares and
/// drops handles, gives all back in shuffled order, and looks whether everything is as it was.
struct FrameDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  /// Goes on counting where `checks` is.
  init(_ checks: Checks) { self.checks = checks }

  private mutating func check(_ holds: Bool, _ claim: StaticString) { checks.check(holds, claim) }

  /// Runs all steps, each of which prints a line.
  mutating func run() {
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    do throws(FrameError) {
      // The handles of all frames, as addresses: a kernel has no heap for them but its own frames.
      let tableFrameCount = Int(before.managedFrameCount / (PageSize.fourKiB.byteCount / 8)) + 1
      let table = try Segment(allocating: tableFrameCount) { _ in PlainMemory() }
      let count = takeEveryFrame(into: table)
      check(
        count + UInt64(tableFrameCount) == before.freeFrameCount, "every free frame could be taken")
      verifyPatterns(of: table, count)
      shareAndDrop(table, count)
      giveBackShuffled(table, count)
    } catch {
      check(false, "there is memory for the addresses of all frames")
    }
    checkNothingIsLost(since: before)
    checkInvariants()
  }
}

extension FrameDemonstration {
  /// Takes frames until there are none, writes to each what only it holds, and returns their
  /// number.
  private mutating func takeEveryFrame(into table: borrowing Segment<PlainMemory>) -> UInt64 {
    let start = begin("take every frame and write to it")
    var count: UInt64 = 0
    while let frame = try? Frame(allocating: PlainMemory(), .uninitialized) {
      frame.fill(with: Self.pattern(of: frame.address))
      table.setWord(frame.relinquish().rawValue, at: count * 8)
      count += 1
      showProgress(count)
    }
    end(start, count)
    return count
  }

  private mutating func verifyPatterns(of table: borrowing Segment<PlainMemory>, _ count: UInt64) {
    let start = begin("verify what each frame holds")
    for index in 0..<count {
      let frame = Self.adopt(index, of: table)
      check(frame.isFilled(with: Self.pattern(of: frame.address)), "a frame holds what was written")
      _ = frame.relinquish()
      showProgress(index + 1)
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
      showProgress(index + 1)
    }
    end(start, count)
  }

  /// Drops the last handle of each frame, in an order that has nothing to do with their addresses.
  private mutating func giveBackShuffled(_ table: borrowing Segment<PlainMemory>, _ count: UInt64) {
    let start = begin("give all back in shuffled order")
    var random = RandomNumbers(seed: 0x7e55_e7a0)
    var left = count
    while left > 0 {
      let chosen = random.next(below: left) * 8
      let address = table.word(at: chosen)
      left -= 1
      table.setWord(table.word(at: left * 8), at: chosen)
      // SAFETY: the word was relinquished by `takeEveryFrame`, and has just been overwritten.
      _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address))
      showProgress(count - left)
    }
    end(start, count)
  }

  private mutating func checkNothingIsLost(since before: FrameStatistics) {
    FrameAllocator.drainCache()
    let after = FrameAllocator.statistics
    check(after.freeFrameCount == before.freeFrameCount, "as many frames are free as before")
    check(after.largestFreeBlock == before.largestFreeBlock, "the largest block is whole again")
    console.write("tessera: free again: ")
    console.write(decimal: after.freeFrameCount, grouped: true)
    console.write(" frames, the largest block ")
    console.write(decimal: after.largestFreeBlock, grouped: true)
    console.writeLine()
  }

  private mutating func checkInvariants() {
    let start = begin("check the rules of all slots and lists")
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
    check(broken == 0, "every rule of the slots and of the allocator holds")
    end(start, counted)
  }
}

extension FrameDemonstration {
  /// What the frame at `address` is filled with: different for each, and no plausible address.
  private static func pattern(of address: PhysicalAddress) -> UInt64 {
    address.rawValue ^ 0x7e55_e7a5_5e55_e7a5
  }

  /// The handle that was put away at `index`.
  private static func adopt(
    _ index: UInt64, of table: borrowing Segment<PlainMemory>
  ) -> Frame<PlainMemory> {
    // SAFETY: the word was relinquished by `takeEveryFrame`; who adopts it relinquishes it again.
    unsafe Frame(adopting: PhysicalAddress(table.word(at: index * 8)))
  }

  private static func report(_ rule: StaticString, _ address: PhysicalAddress) {
    var console = Console()
    console.write("tessera: FAIL: broken: ")
    console.write(rule)
    console.write(", frame ")
    console.write(address)
    console.writeLine()
  }

  /// Prints what is about to be done. Returns the time, for `end`.
  private mutating func begin(_ step: StaticString) -> UInt64 {
    console.write("tessera: ")
    console.write(step, paddedTo: 40)
    return Processor.timestamp
  }

  /// Prints how long a step took that did something `count` times.
  private mutating func end(_ start: UInt64, _ count: UInt64) {
    let cycles = Processor.timestamp - start
    console.write(" ")
    console.write(decimal: count, width: 10, grouped: true)
    console.write(" frames, ")
    console.write(decimal: cycles / max(1, count), width: 6, grouped: true)
    console.write(" cycles each\n")
  }

  /// Prints a dot now and then, so that nobody wonders.
  private mutating func showProgress(_ count: UInt64) {
    if count % (1 << 18) == 0 { console.write(".") }
  }
}
