internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

/// The demonstration of the pager, if the machine has a disk: programs with more memory than the
/// machine, and a file larger than it, on all processors.
///
/// With no more than 64 MiB of memory all of it is used; with more, most is put aside, so that the
/// disk is needed soon.
struct PagingDemonstration {
  private var console = Console()
  private(set) var checks: Checks
  /// The pages of anonymous memory, and of the file.
  private var anonymousCount: UInt64 = 12_288
  private var fileCount: UInt64 = 6144
  private static var start: UInt64 { 1 << 32 }

  init(_ checks: Checks) { self.checks = checks }

  /// Runs all parts, and checks that all memory is returned.
  mutating func run() {
    guard Disk.sectorCount > 0 else { return }
    StormBalance.drain()
    let balance = StormBalance()
    let isWhole = FrameTable.frameCount <= 16_384 + 256
    if isWhole { (anonymousCount, fileCount) = (65_536, 20_480) }
    let swapStart = DiskStore.fileStart + fileCount * 4096
    guard Disk.sectorCount / 8 > swapStart / 4096 + anonymousCount else {
      return console.write("tessera: paging: the disk is too small for the demonstration\n")
    }
    let slotCount = min(anonymousCount + 8192, (Disk.sectorCount / 8) - swapStart / 4096 - 1)
    let aside = FrameReserve(leaving: isWhole ? .max : 4096)
    do throws(TesseraError) {
      try Pager.start()
      try Pager.startSwap(DiskStore.store(at: swapStart), pageCount: UInt32(slotCount))
      try swap()
      try useFile()
      checks.check(Pager.swapUsage.used == 0, "no slot of the swap area is lost")
      Pager.stop()
    } catch {
      checks.check(false, "the pager finds memory")
    }
    aside.release()
    Heap.stop()
    StormBalance.drain()
    let lost = balance.lostFrameCount
    checks.check(lost == 0, "the pager keeps no frame")
    write("  ", lost, " frames and no slot of the swap area lost\n")
  }

  /// Writes and reads more anonymous memory than there is.
  private mutating func swap() throws(TesseraError) {
    let space = try VmSpace()
    try space.startPaging()
    let byteCount = anonymousCount * 4096
    let start = VirtualAddress(Self.start)
    let range = start..<VirtualAddress(Self.start + byteCount)
    try space.withCursor(over: range) { cursor throws(TesseraError) in
      try cursor.setDemandZero(byteCount, as: .userReadWrite)
    }
    let free = FrameAllocator.statistics.freeFrameCount
    var storm = PagingStorm(.numbers, anonymousCount, from: Self.start, in: space)
    blow(&storm, .write, anonymousCount, "paging: all processors write anonymous pages")
    blow(&storm, .read, anonymousCount, "paging: and read them, each those of another")
    let statistics = Pager.statistics
    write("  ", free, " frames were free; ")
    write("", statistics.evictions, " pages were taken away, ")
    write("", statistics.writes, " written, ")
    write("", statistics.reads, " read again\n")
    finishWrites()
    Pager.dump(to: &console)
    checks.check(
      statistics.evictions >= anonymousCount - free, "more pages are used than there are frames")
    checks.check(
      statistics.writes > 0 && statistics.reads > 0, "pages go to the disk and come back")
    checks.check(StormBalance.brokenInvariantCount(of: storm.space) == 0, "tables are consistent")
  }

  /// Writes a file that is larger than memory through a mapping, and compares what is on the disk.
  private mutating func useFile() throws(TesseraError) {
    let file = try MemoryObject(
      byteCount: fileCount * 4096, store: DiskStore.store(at: DiskStore.fileStart))
    let space = try VmSpace()
    try space.startPaging()
    let range = VirtualAddress(Self.start)..<VirtualAddress(Self.start + fileCount * 4096)
    try space.map(file, at: range, as: .userReadWrite.with(isShared: true))
    var storm = PagingStorm(
      .pattern(DiskStore.fileStart), fileCount, from: Self.start, in: space)
    blow(&storm, .write, fileCount, "paging: all processors write the pages of a file")
    blow(&storm, .read, fileCount, "paging: and read them, each those of another")
    let statistics = Pager.statistics
    write("  ", statistics.hits, " uses of the file's pages were in memory, ")
    write("", statistics.misses, " were not\n")
    Pager.dump(to: &console)
    var result = SynchronizeResult()
    var written: UInt64 = 0
    repeat {
      result = file.synchronize()
      written += UInt64(result.beingWritten)
      finishWrites()
    } while !result.isComplete && result.failed == 0
    write("  ", written, " dirty pages of the file written to the disk\n")
    checks.check(result.isComplete, "the file is written to the disk")
    compareDisk()
  }

  /// Compares the file's area of the disk, without the pager, and a copy with a byte changed.
  private mutating func compareDisk() {
    guard let memory = try? Segment(allocating: 16, metadata: { _ in PlainMemory() }) else {
      return checks.check(false, "there is memory to compare the disk")
    }
    var wrong: UInt64 = 0
    for page in stride(from: 0, to: fileCount, by: 16) {
      let offset = DiskStore.fileStart + page * 4096
      // SAFETY: the memory is this function's.
      let isRead = unsafe Disk.transfer(
        .read, firstSector: offset / 512, byteCount: 65_536, at: memory.address)
      if !isRead { wrong += 1 }
      wrong += DiskPattern.wrongByteCount(memory, at: 0, byteCount: 65_536, from: offset)
    }
    memory.setWord(memory.word(at: 4096) ^ 1, at: 4096)
    let last = DiskStore.fileStart + (fileCount - 16) * 4096
    let noticed = DiskPattern.wrongByteCount(memory, at: 0, byteCount: 65_536, from: last)
    write("  on the disk, ", wrong, " bytes of the file are not as written; ")
    write("a byte changed: ", noticed, " found\n")
    checks.check(wrong == 0, "the disk has the file")
    checks.check(noticed == 1, "a byte of the file that has changed is noticed")
  }

  private mutating func blow(
    _ storm: inout PagingStorm, _ kind: PagingStorm.Kind, _ pageCount: UInt64,
    _ title: StaticString
  ) {
    console.write("tessera: ")
    console.write(title, paddedTo: 48)
    let watch = Stopwatch()
    storm.blow(kind)
    let time = max(1, watch.microseconds)
    write("", pageCount, " pages, ", width: 8)
    write("", pageCount * 1_000_000 / time, " a second\n", width: 7)
    checks.check(storm.failed.total == 0, "no access to a paged space fails")
    checks.check(storm.wrong.total == 0, "paged pages have what was written")
  }

  private func finishWrites() {
    while Pager.usage().anonymous.beingWritten + Pager.usage().objects.beingWritten > 0 {
      DiskStore.finishWrites()
    }
  }

  private mutating func write(
    _ text: StaticString, _ number: UInt64, _ rest: StaticString, width: Int = 0
  ) {
    console.write(text)
    console.write(decimal: number, width: width, grouped: true)
    console.write(rest)
  }
}
