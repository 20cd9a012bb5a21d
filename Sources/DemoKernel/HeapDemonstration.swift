internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables

/// The demonstration of the heap: objects of all sizes on all processors, slabs of which few
/// objects are left, and an object for which no contiguous frames are free.
struct HeapDemonstration {
  private static let roundCount: UInt64 = 8000
  private static let objectCount = 16_384

  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Runs all parts, and checks that all memory is returned.
  mutating func run() {
    StormBalance.drain()
    let before = FrameAllocator.statistics.freeFrameCount
    do throws(TesseraError) {
      try useOnAllProcessors()
      try fragment()
      try mapScatteredFrames()
    } catch {
      checks.check(false, "the heap finds memory")
    }
    Heap.trim()
    let statistics = Heap.statistics
    checks.check(
      statistics.frameCount == statistics.recordCount, "the heap keeps no frame without objects")
    Heap.stop()
    StormBalance.drain()
    let after = FrameAllocator.statistics.freeFrameCount
    checks.check(before == after, "the heap returns all its frames")
    write("  all objects freed: ", before - min(before, after), " frames lost\n")
  }

  private mutating func useOnAllProcessors() throws(TesseraError) {
    let count = Self.roundCount / UInt64(Processors.count)
    let start = begin("heap: objects of all sizes on all processors")
    var storm = try HeapStorm(roundCount: count)
    storm.blow()
    let cycles = (Processor.timestamp &- start) / max(1, storm.allocated.total)
    write("", storm.allocated.total, " objects, ")
    write("", cycles, " cycles each\n")
    write("  ", storm.freedForOthers.total, " freed by another processor than allocated them, ")
    write("", storm.broken.total, " with other contents than were written")
    checks.check(storm.broken.total == 0, "objects have what was written to them")
    checks.check(storm.failed.total == 0, "no allocation fails")
    let isCrossed = (storm.freedForOthers.total > 0) == (Processors.count > 1)
    checks.check(isCrossed, "processors free each other's objects")
    checks.check(storm.spoil(), "objects are left to be spoilt")
    storm.finish()
    write("; a word changed: ", storm.broken.total, " found\n")
    checks.check(storm.broken.total == 1, "the storm notices a word that changed")
    checks.check(Heap.statistics.usedByteCount == 0, "all objects of the storm are freed")
  }

  /// Frees most of many objects, so that slabs have few each, and then those as well.
  private mutating func fragment() throws(TesseraError) {
    let table = try Segment(allocating: Self.objectCount * 8 / 4096) { _ in PlainMemory() }
    let start = begin("heap: objects of 16 to 512 bytes, in order")
    for index in 0..<Self.objectCount {
      // SAFETY: the table keeps the object until it is freed.
      let object = unsafe try Heap.allocate(byteCount: 16 << (index % 6))
      table.setWord(UInt64(UInt(bitPattern: object)), at: UInt64(index) * 8)
    }
    let cycles = (Processor.timestamp &- start) / UInt64(Self.objectCount)
    write("", UInt64(Self.objectCount), " objects, ")
    write("", cycles, " cycles each\n")
    let slabCount = Heap.statistics.slabCount
    free(table) { $0 % 64 >= 6 && $0 >= Self.objectCount / 4 }
    write("  most of them freed; ", Heap.statistics.slabCount, " of ")
    write("", slabCount, " slabs are left, drawn as the tenths of each that are in use\n")
    Heap.dump(to: &console)
    checks.check(Heap.statistics.slabCount < slabCount, "empty slabs are returned")
    free(table) { $0 % 64 < 6 || $0 < Self.objectCount / 4 }
    checks.check(Heap.statistics.usedByteCount == 0, "all objects are freed")
  }

  private func free(
    _ table: borrowing Segment<PlainMemory>, where isFreed: (Int) -> Bool
  ) {
    for index in 0..<Self.objectCount where isFreed(index) {
      let address = table.word(at: UInt64(index) * 8)
      // SAFETY: the object is in the table once, and freed once.
      unsafe Heap.free(
        UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped)
    }
  }

  /// Allocates an object of more pages than any free block has, when each second frame is free.
  private mutating func mapScatteredFrames() throws(TesseraError) {
    // With room for what a check build adds.
    let byteCount = 64 * 4096 - 64
    let kept = try Self.scatter()
    // SAFETY: the object is freed below.
    let object = unsafe try Heap.allocate(byteCount: byteCount, isZeroed: true)
    let isMapped = Heap.statistics.mappedFrameCount == 64
    let address = UInt64(UInt(bitPattern: object))
    var isUsable = true
    for page in 0..<UInt64(64) {
      // SAFETY: the page is the object's.
      if unsafe !MemoryProbe.write(page + 1, to: address + page << 12) { isUsable = false }
    }
    for page in 0..<UInt64(64)
    where MemoryProbe.read(address + page << 12) != page + 1 { isUsable = false }
    // SAFETY: the object is used no more.
    unsafe Heap.free(object)
    Self.gather(kept)
    NodePool.drain()
    console.write("  with each second frame free, an object of 64 pages was ")
    console.write(isMapped ? "mapped page by page at " : "found at ")
    console.write(hexadecimal: address)
    console.writeLine()
    checks.check(isMapped && isUsable, "an object is mapped if no contiguous frames are free")
    checks.check(MemoryProbe.read(address) == nil, "an object that is freed is not mapped")
  }

  /// Allocates all frames but each second one. Returns the first of those that are allocated, which
  /// are linked to each other.
  private static func scatter() throws(TesseraError) -> UInt64 {
    var all: UInt64 = 0
    while let frame = try? FrameAllocator.allocate(1, .uninitialized) {
      link(frame.rawValue, to: all)
      all = frame.rawValue
    }
    var kept: UInt64 = 0
    while all != 0 {
      let next = Self.next(of: all)
      if all >> 12 % 2 == 0 {
        FrameAllocator.free(PhysicalAddress(all))
      } else {
        link(all, to: kept)
        kept = all
      }
      all = next
    }
    return kept
  }

  /// Frees the frames that `scatter` left.
  private static func gather(_ first: UInt64) {
    var frame = first
    while frame != 0 {
      let next = Self.next(of: frame)
      FrameAllocator.free(PhysicalAddress(frame))
      frame = next
    }
  }

  private static func link(_ frame: UInt64, to next: UInt64) {
    // SAFETY: the frame was allocated, and is used for this alone.
    unsafe PhysicalMemory.pointer(to: PhysicalAddress(frame)).storeBytes(of: next, as: UInt64.self)
  }

  private static func next(of frame: UInt64) -> UInt64 {
    // SAFETY: as above.
    unsafe PhysicalMemory.pointer(to: PhysicalAddress(frame)).load(as: UInt64.self)
  }

  private mutating func begin(_ title: StaticString) -> UInt64 {
    console.write("tessera: ")
    console.write(title, paddedTo: 48)
    return Processor.timestamp
  }

  private mutating func write(_ before: StaticString, _ count: UInt64, _ after: StaticString) {
    console.write(before)
    console.write(decimal: count, grouped: true)
    console.write(after)
  }
}
