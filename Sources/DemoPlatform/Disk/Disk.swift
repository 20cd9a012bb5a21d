internal import Synchronization
public import TesseraHardware

/// A disk: the first virtio disk on the PCI buses.
///
/// A request is submitted, and has ended some time later. `poll` then passes its token to any
/// processor that asks, and `transfer` waits for its own request. No interrupts are used. All
/// functions but `start` may be called on several processors at once, in interrupt handlers too:
/// a lock is held, with interrupts off, for the time that it takes to change the queue.
public enum Disk {
  /// What a request does.
  public enum Operation: UInt32, Sendable {
    case read = 0
    case write = 1
    /// What was written before stays written if the machine loses its power.
    case flush = 4
  }

  private static let lock = SpinLock()

  /// Access: written by `start` before a second processor uses it; afterwards under `lock`.
  nonisolated(unsafe) private static var disk: VirtioDisk?

  /// What does not change: all zero without a disk. Access: written by `start` before a second
  /// processor uses it, constant afterwards.
  nonisolated(unsafe) private static var facts = VirtioDisk.Facts()

  /// The number of sectors of 512 bytes; 0 if no disk has been started.
  public static var sectorCount: UInt64 {
    // SAFETY: see `facts`.
    unsafe facts.sectorCount
  }

  /// The number of descriptors of its queue; a request has three.
  public static var queueSize: Int {
    // SAFETY: see `facts`.
    unsafe facts.queueSize
  }

  /// The number of requests that can have been submitted without having been polled.
  public static var requestLimit: Int {
    // SAFETY: see `facts`.
    unsafe facts.capacity
  }

  /// Finds the first virtio disk, and makes it ready.
  ///
  /// Call it once, on the first processor, after Tessera and all processors have been started.
  ///
  /// - Throws: Why there is no disk to use. Nothing has changed then.
  public static func start() throws(DiskError) {
    let found = PCIFunction.first {
      // The vendor is 0x1af4. The disk is transitional, or has no legacy interface.
      $0.identification == 0x1001_1af4 || $0.identification == 0x1042_1af4
    }
    guard let found else { throw .absent }
    let new = try VirtioDisk(found)
    // SAFETY: one processor uses the disk.
    unsafe facts = new.facts
    unsafe disk = consume new
  }
}

extension Disk {
  /// Submits a request to read or write the `byteCount` bytes of memory at `address`, from sector
  /// `firstSector` on. `token` is what `poll` passes on when it has ended. Returns false if the
  /// queue is full; nothing has changed then.
  ///
  /// Requests may be done in any order. A flush uses no memory, and concerns what has ended before
  /// it was submitted. A request beyond the last sector fails.
  ///
  /// The caller promises that the memory is its own until `poll` has passed the token on, and that
  /// nothing else writes it, or for a read accesses it, meanwhile. Traps if there is no disk, or if
  /// `byteCount` is not a multiple of 512 of 512 bytes to 1 GiB.
  @unsafe public static func submit(
    _ operation: Operation, firstSector: UInt64, byteCount: UInt64, at address: PhysicalAddress,
    token: UInt64
  ) -> Bool {
    let transfer = DiskTransfer(
      operation, firstSector: firstSector, byteCount: byteCount, at: address)
    return unsafe begin(transfer, token: token, for: .anyone) != nil
  }

  /// Calls `body` with the token of each request that has ended since, and whether it succeeded: on
  /// the processor that polls first, and once for each. Returns how often it did so.
  ///
  /// `body` may submit requests, and poll.
  @discardableResult
  public static func poll(_ body: (_ token: UInt64, _ succeeded: Bool) -> Void) -> Int {
    var count = 0
    while count < requestLimit, let outcome = withDisk({ $0.takeEnded() }) {
      body(outcome.token, outcome.succeeded)
      count += 1
    }
    return count
  }

  /// Does what `submit` does, and waits until the request has ended. Returns whether it succeeded.
  ///
  /// Others' requests that end meanwhile are left to `poll`. It always finds room in the queue
  /// after a while, even if no one polls. The caller promises what `submit` requires, until this
  /// returns. Ends the kernel if the disk does not answer for half a minute.
  @unsafe public static func transfer(
    _ operation: Operation, firstSector: UInt64, byteCount: UInt64, at address: PhysicalAddress
  ) -> Bool {
    let transfer = DiskTransfer(
      operation, firstSector: firstSector, byteCount: byteCount, at: address)
    let deadline = Deadline(milliseconds: 30_000)
    var number: Int?
    while true {
      if let number {
        if let outcome = withDisk({ $0.takeAwaited(number) }) { return outcome.succeeded }
      } else {
        number = unsafe begin(transfer, token: 0, for: .waiter)
      }
      if deadline.hasPassed { panic("the disk has not answered for half a minute") }
      Processor.pause()
    }
  }

  /// Waits until everything that was written is there to stay. Returns whether that succeeded.
  public static func flush() -> Bool {
    // SAFETY: a flush uses no memory.
    unsafe transfer(.flush, firstSector: 0, byteCount: 0, at: .zero)
  }

  /// Begins a request, and notifies the disk. Returns its number; nil if the queue is full.
  ///
  /// The caller promises what `submit` requires.
  @unsafe private static func begin(
    _ transfer: DiskTransfer, token: UInt64, for taker: DiskRequests.Taker
  ) -> Int? {
    let begun = withDisk { unsafe $0.begin(transfer, token: token, for: taker) }
    guard let begun else { return nil }
    // Outside of the lock: the device may be slow to take note of it.
    // SAFETY: see `facts`.
    if begun.needsNotice { unsafe facts.notice.send() }
    return begun.number
  }

  private static func withDisk<Result>(_ body: (inout VirtioDisk) -> Result?) -> Result? {
    require(requestLimit > 0, "used a disk that was not started")
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    // SAFETY: under the lock.
    return unsafe body(&disk!)
  }
}
