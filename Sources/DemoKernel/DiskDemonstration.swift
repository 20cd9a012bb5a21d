internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware

/// The demonstration of the disk, if the machine has one: all processors write to it and read what
/// they have written, many requests at a time.
///
/// `DiskPattern` says what is then on the disk: in an area of each processor, from the start, and
/// in the last sector.
struct DiskDemonstration {
  private var console = Console()
  private(set) var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Starts the disk, and prints what was found.
  static func start() {
    var console = Console()
    console.write("tessera: disk: ")
    do throws(DiskError) {
      try Disk.start()
      console.write(decimal: Disk.sectorCount, grouped: true)
      console.write(" sectors of 512 bytes; a queue of ")
      console.write(decimal: UInt64(Disk.queueSize))
      console.write(" descriptors, for ")
      console.write(decimal: UInt64(Disk.requestLimit))
      console.write(Disk.requestLimit == 1 ? " request\n" : " requests\n")
    } catch {
      console.write("none: ")
      error.write(to: &console)
      console.writeLine()
      // The page tables of registers that were mapped would be missed where frames are counted.
      StormBalance.drain()
    }
  }

  /// Runs all parts, and checks that all memory is returned.
  mutating func run() {
    guard Disk.sectorCount > 0 else { return }
    guard Disk.sectorCount * 512 > UInt64(Processors.count) * DiskStorm.areaByteCount else {
      return console.write("tessera: disk: too small for the demonstration\n")
    }
    StormBalance.drain()
    let balance = StormBalance()
    do throws(TesseraError) {
      try transferOnAllProcessors()
      try transferAtTheEnd()
      try fillQueue()
      try measure()
    } catch {
      checks.check(false, "what uses the disk finds memory")
    }
    checks.check(Disk.flush(), "what was written can be flushed")
    StormBalance.drain()
    let lost = balance.lostFrameCount
    checks.check(lost == 0, "the disk keeps no frame")
    write("  ", lost, " frames lost\n")
  }

  private mutating func transferOnAllProcessors() throws(TesseraError) {
    var write = try DiskStorm(.write)
    transfer(&write, "disk: each processor writes 1 MiB")
    var read = try DiskStorm(.read)
    transfer(&read, "disk: and reads it to other frames")
    self.write(
      "  up to ", max(write.greatest, read.greatest), " requests of a processor at a time; ")
    self.write("", write.takenForOthers.total + read.takenForOthers.total, " taken by another; ")
    self.write("", read.wrongBytes.total, " of ")
    self.write(
      "", read.transferred.total * DiskPattern.pageByteCount, " bytes are not as written\n")
    checks.check(read.wrongBytes.total == 0, "what is read from the disk was written there")
  }

  /// Lets all processors transfer their areas, and checks that all of it is transferred.
  private mutating func transfer(_ storm: inout DiskStorm, _ title: StaticString) {
    console.write("tessera: ")
    console.write(title, paddedTo: 48)
    let watch = Stopwatch()
    storm.blow()
    let time = max(1, watch.microseconds)
    write("", storm.transferred.total, " pages, ", width: 8)
    write("", storm.transferred.total * 1_000_000 / time, " a second\n", width: 7)
    checks.check(storm.failed.total == 0, "no request of the disk fails")
    checks.check(
      storm.transferred.total == UInt64(Processors.count) * DiskStorm.pageCount,
      "each request of the disk ends once")
  }
}

// One processor.
extension DiskDemonstration {
  /// Writes and reads the last sector, and tries to go beyond it.
  private mutating func transferAtTheEnd() throws(TesseraError) {
    let memory = try Segment(allocating: 2) { _ in PlainMemory() }
    let last = Disk.sectorCount - 1
    DiskPattern.fill(memory, at: 512, byteCount: 512, from: last * 512)
    let isWritten = transfer(.write, last, 512, memory.address + 512)
    let isRead = transfer(.read, last, 512, memory.address + 4096)
    checks.check(isWritten && isRead, "the last sector can be written and read")
    checks.check(wrongByteCount(memory) == 0, "the last sector has what was written there")
    memory.setWord(memory.word(at: 4096 + 256) ^ 0xff00, at: 4096 + 256)
    let noticedCount = wrongByteCount(memory)
    checks.check(noticedCount == 1, "a byte that has changed is noticed")

    var failureCount: UInt64 = 0
    // One sector too many, and those of other numbers.
    let places: [3 of (first: UInt64, byteCount: UInt64)] = [
      (last, 1024), (last + 1, 512), (.max, 512),
    ]
    for index in places.indices {
      let place = places[index]
      if !transfer(.read, place.first, place.byteCount, memory.address) { failureCount += 1 }
      if !transfer(.write, place.first, place.byteCount, memory.address) { failureCount += 1 }
    }
    checks.check(failureCount == 6, "no request reaches beyond the last sector")
    write("  the last sector has what was written; a byte changed: ", noticedCount, " found; ")
    write("beyond it, ", failureCount, " of 6 requests fail\n")
  }

  /// Submits as many requests as there is room for, waits for another one, and then takes the
  /// first ones: the wait must find room, and leave them all.
  private mutating func fillQueue() throws(TesseraError) {
    let memory = try Segment(allocating: 2) { _ in PlainMemory() }
    var submittedCount: UInt64 = 0
    // SAFETY: the memory is used for this alone, until all requests have been taken.
    while unsafe Disk.submit(
      .read, firstSector: 1, byteCount: 512, at: memory.address, token: submittedCount)
    {
      submittedCount += 1
    }
    let isRead = transfer(.read, 1, 512, memory.address + 4096)
    var takenCount: UInt64 = 0
    var sum: UInt64 = 0
    let watch = Stopwatch()
    while takenCount < submittedCount, watch.milliseconds < 10_000 {
      Disk.poll { token, succeeded in
        takenCount += succeeded ? 1 : 0
        sum += token
      }
      Processor.pause()
    }
    checks.check(submittedCount == UInt64(Disk.requestLimit), "the queue takes what it says")
    let areAllTaken =
      takenCount == submittedCount && sum == submittedCount * (submittedCount - 1) / 2
    checks.check(areAllTaken, "a request that is waited for leaves all others to be taken")
    let isSame =
      DiskPattern.wrongByteCount(memory, at: 0, byteCount: 512, from: 512)
      + DiskPattern.wrongByteCount(memory, at: 4096, byteCount: 512, from: 512) == 0
    checks.check(isRead && isSame, "a full queue has room for a request that is waited for")
    write("  with ", submittedCount, " requests submitted, one more was waited for; then ")
    write("", takenCount, " were taken\n")
  }

  /// The number of bytes from 4,096 on that are not those of the last sector.
  private func wrongByteCount(_ memory: borrowing Segment<PlainMemory>) -> UInt64 {
    DiskPattern.wrongByteCount(
      memory, at: 4096, byteCount: 512, from: (Disk.sectorCount - 1) * 512)
  }

  private func transfer(
    _ operation: Disk.Operation, _ firstSector: UInt64, _ byteCount: UInt64,
    _ address: PhysicalAddress
  ) -> Bool {
    // SAFETY: the memory is that of a segment of the caller's, which waits.
    unsafe Disk.transfer(operation, firstSector: firstSector, byteCount: byteCount, at: address)
  }

  /// Prints what a page costs the processor: to submit a request, and to take it when it has ended.
  /// What waits for the disk does not count.
  private mutating func measure() throws(TesseraError) {
    let unit = TimestampUnit()
    console.write("  ")
    console.write(unit.name)
    console.write(" of a processor for a page:")
    try measure(.write, " written, ", unit)
    try measure(.read, " read", unit)
    console.writeLine()
  }

  private mutating func measure(
    _ operation: Disk.Operation, _ words: StaticString, _ unit: TimestampUnit
  ) throws(TesseraError) {
    let storm = try DiskStorm(operation)
    storm.takePart()
    checks.check(
      storm.failed.total == 0 && storm.wrongBytes.total == 0
        && storm.transferred.total == DiskStorm.pageCount,
      "one processor transfers its area")
    write(" ", unit.count(storm.workTime.total) / DiskStorm.pageCount, words)
  }

  private mutating func write(
    _ before: StaticString, _ count: UInt64, _ after: StaticString, width: Int = 0
  ) {
    console.write(before)
    console.write(decimal: count, width: width, grouped: true)
    console.write(after)
  }
}
