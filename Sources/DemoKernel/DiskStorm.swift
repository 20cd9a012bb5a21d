internal import DemoPlatform
internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// Areas of the disk, one for each processor, that all processors write or read at the same time.
///
/// Each processor takes whatever requests have ended, and tells the one that has submitted them.
struct DiskStorm: ~Copyable {
  /// The bytes of a processor's area. The first one is at the start of the disk.
  static var areaByteCount: UInt64 { 1 << 20 }
  static var pageCount: UInt64 { areaByteCount / DiskPattern.pageByteCount }

  private let operation: Disk.Operation
  /// Has 64 bytes for each processor, of which the first word has the bits of its requests that
  /// have ended.
  private let ended: Frame<PlainMemory>

  let transferred = StormCount()
  let wrongBytes = StormCount()
  let failed = StormCount()
  /// Requests that another processor took than the one that submitted them.
  let takenForOthers = StormCount()
  /// The time that it took to submit requests, and to take those that had ended.
  let workTime = StormCount()
  /// The most requests of a processor at a time. Access: atomic.
  private let greatestCount = Atomic<UInt64>(0)

  /// Throws `outOfFrames`.
  init(_ operation: Disk.Operation) throws(TesseraError) {
    self.operation = operation
    ended = try Frame(allocating: PlainMemory())
  }

  /// The most requests of a processor that were there at a time.
  var greatest: UInt64 {
    // Ordering: relaxed; the end of the tasks orders it.
    greatestCount.load(ordering: .relaxed)
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose counts are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: DiskStorm.self).pointee.takePart()
    }
  }

  /// Transfers the area of the calling processor.
  func takePart() {
    let rank = UInt64(Processors.currentRank)
    do throws(TesseraError) {
      var stream = try DiskStream(
        operation, from: rank * Self.areaByteCount, pageCount: Self.pageCount, tag: rank << 8)
      while !stream.hasEnded {
        stream.submit()
        if !poll(rank) {
          // QEMU's turn goes to the next processor here.
          Processor.pause()
        }
        stream.end(takeEnded(rank))
      }
      workTime.add(stream.submissionTime)
      wrongBytes.add(stream.wrongByteCount)
      // Ordering: relaxed; the end of the tasks orders it for the reader.
      greatestCount.max(stream.greatestCount, ordering: .relaxed)
    } catch {
      failed.add()
    }
  }

  /// Takes requests that have ended, of any processor's. Returns whether there were some.
  private func poll(_ rank: UInt64) -> Bool {
    let begin = Processor.timestamp
    let count = Disk.poll { token, succeeded in
      if !succeeded { failed.add() }
      if token >> 8 != rank { takenForOthers.add() }
      // SAFETY: see `bits`.
      // Ordering: releasing, pairs with the exchange in `takeEnded`, so that the owner sees what
      // this processor has seen of the disk.
      unsafe bits(of: token >> 8).pointee.bitwiseOr(1 << (token & 0xff), ordering: .releasing)
    }
    guard count > 0 else { return false }
    workTime.add(Processor.timestamp &- begin)
    transferred.add(UInt64(count))
    return true
  }

  /// Takes the bits of the requests that have ended, of those of the processor with `rank`.
  private func takeEnded(_ rank: UInt64) -> UInt64 {
    // SAFETY: see `bits`. Ordering: acquiring, pairs with `poll`.
    unsafe bits(of: rank).pointee.exchange(0, ordering: .acquiring)
  }

  private func bits(of rank: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    require(rank < 64, "a request belongs to no processor")
    // SAFETY: the frame has a word there, which is only accessed here.
    return unsafe PhysicalMemory.pointer(to: ended.address + rank * 64)
      .assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
