internal import TesseraFrames
internal import TesseraHardware

extension Scenario {
  static func lastFreedIsNext(_ checks: inout Checks) throws(TesseraError) {
    let first = try Frame(allocating: TracedObject(1))
    let second = try Frame(allocating: TracedObject(2))
    let addresses = (first.address, second.address)
    checks.expect(addresses.0 != addresses.1, "two frames are two frames")
    _ = consume first
    _ = consume second
    let third = try Frame(allocating: TracedObject(3))
    let fourth = try Frame(allocating: TracedObject(4))
    checks.expect(third.address == addresses.1, "the frame freed last is allocated first")
    checks.expect(fourth.address == addresses.0, "and the one freed before it next")
    _ = consume third
    let unique = try UniqueFrame(allocating: TracedObject(5))
    checks.expect(unique.address == addresses.1, "for every kind of handle")
    _ = consume unique
    let raw = try RawAllocation()
    checks.expect(raw.address == addresses.1, "and without one")
  }

  static func zeroedMemory(_ checks: inout Checks) throws(TesseraError) {
    let dirtied = try Segment(allocating: 64, .uninitialized) { _ in PlainMemory() }
    dirtied.fill(with: .max)
    var held = MemoryPressure()
    try held.allocateAll()
    _ = consume dirtied
    // Only memory that was dirtied is left.
    for count in 1...40 {
      let clean = try Segment(allocating: count) { _ in PlainMemory() }
      checks.expect(MemoryPattern.isZero(clean), "memory is zeroed unless it is asked not to be")
      clean.fill(with: .max)
    }
    let dirty = try Frame(allocating: PlainMemory())
    let address = dirty.address
    dirty.fill(with: .max)
    _ = consume dirty
    let clean = try UniqueFrame(allocating: PlainMemory())
    checks.expect(clean.address == address, "the frame that was dirty comes again")
    checks.expect(MemoryPattern.isZero(clean), "a single frame is zeroed too")
    _ = consume clean
    let low = try Frame(allocating: PlainMemory(), FrameRequest(alignment: 8192))
    low.fill(with: .max)
    let again = try FrameAllocator.allocate(1, FrameRequest(alignment: 8192))
    let raw = try Frame(claiming: again, metadata: PlainMemory())
    checks.expect(MemoryPattern.isZero(raw), "an aligned frame is zeroed too")
  }

  static func uninitializedMemory(_ checks: inout Checks) throws(TesseraError) {
    guard !SimulationHooks.poisonsFreedFrames else { return }
    let dirty = try Frame(allocating: PlainMemory())
    dirty.fill(with: 0x77)
    let address = dirty.address
    _ = consume dirty
    let reused = try Frame(allocating: PlainMemory(), .uninitialized)
    checks.expect(reused.address == address, "the frame that was dirty comes again")
    checks.expect(reused.word(at: 4088) == 0x77, "memory for who writes it all is left alone")
  }

  static func contiguousRuns(_ checks: inout Checks) throws(TesseraError) {
    var count = 1
    while count <= 512 {
      let run = try RawAllocation(count)
      let next = try RawAllocation(count)
      checks.expect(
        run.end <= next.address || next.end <= run.address, "two runs share no frame")
      for index in 0..<count {
        let slot = FrameTable.slot(number: run.frame(index).frameNumber)
        checks.expect(
          slot.count == ReferenceCount.unused && slot.kind == .plain, "a bare run is the caller's")
      }
      count += count < 40 ? 1 : 67
    }
  }

  static func alignedRuns(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let largest = FrameAllocator.statistics.largestFreeBlock * 4096
    var alignment: UInt64 = 4096
    while alignment <= largest {
      for half in 0..<2 {
        let count = 2 * half + 1
        guard UInt64(count) * 4096 <= alignment || alignment * 4 <= largest else { continue }
        let run = try RawAllocation(count, FrameRequest(isZeroed: false, alignment: alignment))
        checks.expect(run.address.isAligned(to: alignment), "memory is aligned as it was asked")
      }
      alignment *= 2
    }
    checks.expect(alignment > 2 << 20, "alignments went beyond 2 MiB")
    let beyond = ThrownError.of { () throws(TesseraError) in
      _ = try FrameAllocator.allocate(1, FrameRequest(alignment: 1 << 63))
    }
    checks.expect(beyond == .outOfFrames, "an alignment beyond all memory cannot be allocated")
  }

  static func limitedRuns(_ checks: inout Checks) throws(TesseraError) {
    let limits: [5 of UInt64] = [
      16 << 20, 4 << 30, (16 << 20) - 4096, (12 << 20) + 12345, 1 << 52,
    ]
    for index in limits.indices {
      let limit = PhysicalAddress(limits[index])
      for count in 1...9 {
        let run = try RawAllocation(count, FrameRequest(isZeroed: false, below: limit))
        checks.expect(run.end <= limit, "memory lies below the limit that was asked for")
        let unique = try UniqueFrame(allocating: TracedObject(1), FrameRequest(below: limit))
        checks.expect(unique.address + 4096 <= limit, "and so does a frame")
      }
    }
    for byteCount in 0..<3 as Range<UInt64> {
      let limit = PhysicalAddress(byteCount * 2047)
      let error = ThrownError.of { () throws(TesseraError) in
        _ = try FrameAllocator.allocate(1, FrameRequest(below: limit))
      }
      checks.expect(error == .outOfFrames, "nothing lies below the first frame's end")
    }
  }

  static func limitIsExact(_ checks: inout Checks) throws(TesseraError) {
    let run = try RawAllocation(16)
    let last = run.frame(15)
    var held = MemoryPressure()
    try held.allocateAll()
    _ = consume run
    FrameAllocator.drainCache()
    let aligned = FrameRequest(isZeroed: false, below: last, alignment: 8192)
    for _ in 0..<2 {
      let frame = try RawAllocation(1, FrameRequest(isZeroed: false, below: last + 4096))
      checks.expect(frame.end <= last + 4096, "a limit includes what ends there")
      let other = try RawAllocation(1, aligned)
      checks.expect(other.end <= last, "a limit and an alignment hold together")
    }
    let start = PhysicalAddress(last.rawValue - 15 * 4096)
    let none = ThrownError.of { () throws(TesseraError) in
      _ = try FrameAllocator.allocate(1, FrameRequest(isZeroed: false, below: start + 4095))
    }
    checks.expect(none == .outOfFrames, "a limit is exact to the byte")
    let one = try RawAllocation(1, FrameRequest(isZeroed: false, below: start + 4096))
    checks.expect(one.address == start, "a limit leaves what ends there")
  }

  static func highMemoryFirst(_ checks: inout Checks) throws(TesseraError) {
    FrameAllocator.drainCache()
    let border = PhysicalAddress(16 << 20)
    guard FrameTable.end > PhysicalAddress(24 << 20) else { return }
    let run = try RawAllocation(4)
    let frame = try Frame(allocating: TracedObject(1))
    checks.expect(run.address >= border, "memory of the oldest devices is taken last")
    checks.expect(frame.address >= border, "for single frames too")
  }
}
