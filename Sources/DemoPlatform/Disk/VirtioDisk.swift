internal import TesseraHardware

/// A virtio disk whose queue is ready: its registers, its queue, and the requests that are there.
///
/// VIRTIO 1.2, "Block Device". Each request has three descriptors, which are its own for ever: what
/// to do, the data, and a byte for the outcome. One processor calls it at a time.
struct VirtioDisk: ~Copyable {
  /// What does not change, and may be used without any order.
  struct Facts {
    /// The number of sectors of 512 bytes.
    var sectorCount: UInt64 = 0
    /// The number of descriptors of the queue.
    var queueSize = 0
    /// The number of requests that may be there at the same time, of those that anyone may take.
    var capacity = 0
    var notice = QueueNotice()
  }

  let facts: Facts
  private let canFlush: Bool
  private let registers: VirtioRegisters
  private var queue: Virtqueue
  private var requests: DiskRequests

  /// Features by their bits: a device without the first one has no memory of its own for writes.
  private static var flushFeature: UInt64 { 1 << 9 }

  /// The room for requests that is kept for those that a processor waits for, however many others
  /// have ended and were not taken.
  private static var reservedCount: Int { 1 }

  /// Makes the device of `function` ready.
  init(_ function: PCIFunction) throws(DiskError) {
    let registers = try VirtioRegisters(function)
    let features = try registers.begin(wanting: Self.flushFeature)
    let size = registers.queueSize(atMost: Virtqueue.largestSize)
    guard size / 3 > Self.reservedCount else { throw .queueTooSmall }
    do throws(TesseraError) {
      let queue = try Virtqueue(size: size)
      let requests = try DiskRequests(count: Int(size / 3))
      registers.useQueue(queue)
      facts = Facts(
        sectorCount: registers.sectorCount, queueSize: Int(size),
        capacity: requests.count - Self.reservedCount, notice: registers.notice)
      canFlush = features & Self.flushFeature != 0
      self.registers = registers
      self.queue = queue
      self.requests = requests
    } catch { throw .noMemory }
  }
}

extension VirtioDisk {
  /// A request that was accepted.
  struct Begun {
    let number: Int
    /// Whether the device must be notified.
    let needsNotice: Bool
  }

  /// Gives the device a request; nil if there is no room. Ends one at once that reaches beyond the
  /// last sector, which no device may be given, and a flush that the device does not need.
  ///
  /// The caller keeps the memory until the request has ended.
  @unsafe mutating func begin(
    _ transfer: DiskTransfer, token: UInt64, for taker: DiskRequests.Taker
  ) -> Begun? {
    if taker == .anyone && requests.freeCount <= Self.reservedCount { return nil }
    guard
      let number = requests.begin(
        operation: transfer.operation.rawValue,
        firstSector: transfer.operation == .flush ? 0 : transfer.firstSector, token: token,
        for: taker)
    else { return nil }
    if transfer.operation == .flush ? !canFlush : !transfer.isInside(facts.sectorCount) {
      requests.end(number, succeeded: transfer.operation == .flush)
      return Begun(number: number, needsNotice: false)
    }
    describe(transfer, number)
    return Begun(number: number, needsNotice: queue.publish(Self.head(of: number)))
  }

  private static func head(of number: Int) -> UInt16 { UInt16(number * 3) }

  /// Writes the descriptors of request `number`.
  private func describe(_ transfer: DiskTransfer, _ number: Int) {
    let head = Self.head(of: number)
    let isFlush = transfer.operation == .flush
    queue.set(
      head,
      to: VirtqueueDescriptor(
        address: requests.header(of: number), byteCount: 16, isWritten: false,
        next: isFlush ? head + 2 : head + 1))
    if !isFlush {
      queue.set(
        head + 1,
        to: VirtqueueDescriptor(
          address: transfer.address, byteCount: UInt32(transfer.byteCount),
          isWritten: transfer.operation == .read, next: head + 2))
    }
    queue.set(
      head + 2,
      to: VirtqueueDescriptor(
        address: requests.status(of: number), byteCount: 1, isWritten: true, next: nil))
  }

  /// Notes which requests the device has done.
  private mutating func collect() {
    while let head = queue.takeReturned() {
      require(head % 3 == 0, "the disk has ended a request in its middle")
      requests.end(Int(head / 3))
    }
  }

  /// Takes a request that has ended and that anyone may take.
  mutating func takeEnded() -> DiskRequests.Outcome? {
    collect()
    return requests.takeEnded()
  }

  /// Takes request `number`, which the caller waits for, if it has ended.
  mutating func takeAwaited(_ number: Int) -> DiskRequests.Outcome? {
    collect()
    return requests.takeAwaited(number)
  }
}
